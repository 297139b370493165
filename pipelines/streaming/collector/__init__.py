"""Deribit's websocket and HTTP API → Kafka."""
