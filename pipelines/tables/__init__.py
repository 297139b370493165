"""What is declared once: DDL, the data dictionary, Rill's empty files and privacy come from here.

privacy.py     what a copy for the public shows of a column
raw_lists.py   the raw tables that readers read as they are
ddl.py         the columns of a table as ClickHouse's `create table` has them
sources.py     the sources: their names, and what each declares of itself
own_shapes.py  normalised shapes that a source declares itself: providers/<source>/shape.csv
raw_tables.py  every raw table by its source, and the selects that have a part for each
line_items.py  the costs of an AWS line by its type, and their table in docs/rules.md
copied.py      the columns that both twins only copy: providers/<source>/*.csv
"""
