"""Partitions as parquet files, on a disk or in an object store."""
