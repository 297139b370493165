"""A ClickHouse server: where it is, who we are there, what it says."""
