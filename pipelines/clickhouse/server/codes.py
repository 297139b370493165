"""Codes of ClickHouse's exceptions that the code reacts to (ClickHouse's ErrorCodes.cpp)."""

UNKNOWN_TABLE = 60
FORBIDDEN = (291, 497)  # a right is missing
TOO_LARGE_TO_DROP = 359  # max_table_size_to_drop, max_partition_size_to_drop
