"""One shape for every source: what a raw partition becomes before anybody reads it.

schema.py     the one machine-readable description of the published tables
aws.py        AWS cost lines, CUR 2.0 and legacy CUR; its twin is sql/20_aws.sql
aws_money.py  the four costs of a CUR line, by its type
aws_focus.py  the same from AWS's own FOCUS export
stripe.py     Stripe's ledger; fx.py: exchange rates; schema_revenue.py: their tables and marts
columns.py    typed access to raw columns and the dictionary idioms that make pandas fast
tags.py       tag maps: prefixes, double keys, configured tag columns
reading.py    raw parquet files as batches of rows
batches.py    raw parquet files to one normalised parquet file, in bounded memory
marts.py      which published tables a word's normalised rows are part of
run.py        which partitions are normalised anew, and how they are published
lookups/      constants that both twins read: services, regions, line-item types
"""
