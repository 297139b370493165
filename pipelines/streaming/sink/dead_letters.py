"""Records that cannot be read: to the topic `<topic>.dlq` as they came, and into a table by name.

First the topic, then the table, then the rows after them: what is in the table is in the topic. A
sink that dies between the two sends a record to the topic again, never none.
"""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaException, Message, Producer

from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.sink.live_table import DeadLetter, LiveTable
from pipelines.streaming.topics import Topic

_SECONDS = 30


class DeadLetters:
    """Where a sink puts what it cannot read."""

    def __init__(self, topic: Topic, settings: StreamingSettings, table: LiveTable) -> None:
        self._topic, self._settings, self._table = topic, settings, table
        self._producer: Producer | None = None

    def add(self, letters: Sequence[tuple[Message, DeadLetter]]) -> None:
        """Keep them. May be repeated; raises KafkaException, ClickHouseError."""
        if self._producer is None:
            self._producer = Producer(
                self._settings.kafka(
                    **{"enable.idempotence": True, "compression.type": "zstd", "log_level": 0}
                )
            )
        failed: list[str] = []
        for message, letter in letters:
            headers = {"reason": letter.reason, "from": f"{letter.partition}/{letter.offset}"}
            self._producer.produce(
                self._topic.dead_letters,
                key=message.key(),
                value=message.value(),
                headers=list(headers.items()),
                on_delivery=lambda error, _: failed.append(str(error)) if error else None,
            )
        left = self._producer.flush(_SECONDS)
        if left or failed:
            raise KafkaException(
                f"{self._topic.dead_letters}: {failed[0] if failed else 'no answer'}"
            )
        self._table.add_dead([letter for _, letter in letters])
