"""A ClickHouse server from the Python wheel, with users and TLS."""
