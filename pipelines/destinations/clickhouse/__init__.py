"""Partitions in ClickHouse."""
