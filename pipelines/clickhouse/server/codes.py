"""Codes of ClickHouse's exceptions that the code reacts to (ClickHouse's ErrorCodes.cpp)."""

UNKNOWN_TABLE = 60
TOO_LARGE_TO_DROP = 359  # max_table_size_to_drop, max_partition_size_to_drop
