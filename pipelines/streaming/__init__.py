"""Live trades: from Deribit's websocket through Kafka into ClickHouse. See docs/streaming.md.

collector/    websocket → Kafka         sink/        Kafka → ClickHouse, exactly once
contract.py   Avro schema ↔ table       registry.py  the schema registry
topics.py     each topic with its schema and its table
"""
