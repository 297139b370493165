"""The local engine: raw parquet files become one published shape. It knows no provider.

run.py      which partitions are normalised again, and how they are published
batches.py  raw parquet files to one normalised parquet file, in bounded memory
reading.py  raw parquet files as batches of rows
columns.py  typed access to raw columns and the dictionary idioms that make pandas fast
copied.py   columns that are only copied, by tables/copied.py
tags.py     tag maps: prefixes, double keys, configured tag columns

The rules of a source are in pipelines/providers/<source>/normalize.py; their twins are in sql/.
"""
