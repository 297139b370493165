"""Codes of ClickHouse's exceptions that the code reacts to (ClickHouse's ErrorCodes.cpp)."""

UNKNOWN_TABLE = 60
