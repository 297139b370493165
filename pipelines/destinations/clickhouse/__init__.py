"""Publishing, history and retention of partitions in ClickHouse."""
