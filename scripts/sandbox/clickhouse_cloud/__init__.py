"""ClickHouse Cloud's API on loopback: one organisation and its usage cost."""

COMMAND = "server"
"""The module with the command: `python -m scripts.sandbox clickhouse_cloud`."""
