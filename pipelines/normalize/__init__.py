"""One shape for every source: what a raw partition becomes before anybody reads it.

schema.py   the one machine-readable description of the published tables (no pandas: ClickHouse's DDL uses it too)
aws.py      AWS cost lines, CUR 2.0 and legacy CUR; aws_focus.py: AWS's own FOCUS export; each has a twin in sql/
columns.py  typed access to raw columns and the dictionary idioms that make pandas fast
tags.py     tag maps: prefixes, double keys, configured tag columns
batches.py  raw parquet files to one normalised parquet file, in bounded memory
lookups/    constants that both twins read: services, regions, line-item types
"""
