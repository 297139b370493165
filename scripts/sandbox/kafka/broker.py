"""librdkafka's own mock broker: Kafka's protocol on loopback, inside this process.

It does what producers and consumer groups need. It has no topics to create (a topic appears when it
is named), no transactions, and forgets everything at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition


class MockBroker:
    """One broker, for as long as the block runs."""

    def __init__(self) -> None:
        self._cluster = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0}
        )
        self.bootstrap = ""

    def __enter__(self) -> Self:
        broker = next(iter(self._cluster.list_topics(timeout=10).brokers.values()))
        self.bootstrap = f"{broker.host}:{broker.port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cluster.flush(1)

    def create(self, topic: str) -> None:
        """Have a topic: it appears when a producer asks for it."""
        self._cluster.list_topics(topic, timeout=10)

    def send(self, topic: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Produce records of key and value, and wait until the broker has them."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for key, value in records:
            producer.produce(topic, key=key, value=value)
        if producer.flush(30):
            raise RuntimeError(f"{topic}: not everything was delivered")

    def read(self, topic: str) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
        """Key, value and headers of everything in a topic, by partition and offset."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0}
        )
        found = []
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            place = TopicPartition(topic, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            while end:
                message = consumer.poll(10)
                if message is None or message.error():
                    raise RuntimeError(f"{topic}/{number}: {message and message.error()}")
                given: Any = message.headers() or []
                headers = {str(name): bytes(value) for name, value in given}
                found.append((message.key() or b"", message.value() or b"", headers))
                if int(message.offset() or 0) + 1 >= end:
                    break
        consumer.close()
        return found
