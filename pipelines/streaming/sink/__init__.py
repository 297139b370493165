"""Kafka → ClickHouse."""
