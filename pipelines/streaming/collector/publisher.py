"""The collector's end of Kafka: each trade once into the topic, whatever brought it.

The key is the instrument, so that its trades stay in order in one partition. The record's timestamp
is the producer's: Kafka's retention goes by it, and a trade time that is days old would have the
record removed at once. The trade's own time is a field.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from pipelines.core.partition import UserError
from pipelines.streaming import contract
from pipelines.streaming.collector.numbers import Numbers
from pipelines.streaming.records import Decoder, Encoder, Poison
from pipelines.streaming.registry import Registry
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.topics import Topic

log = logging.getLogger(__name__)

_FLUSH = 60.0


@dataclass
class Published:
    """What a collector did so far."""

    trades: int = 0
    repeated: int = 0
    repaired: int = 0
    holes: int = 0
    refused: int = 0


@dataclass
class Publisher:
    """Encodes trades and produces those that are new."""

    topic: Topic
    settings: StreamingSettings
    numbers: dict[str, Numbers] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    counts: Published = field(default_factory=Published)
    newest: int = 0  # time of the newest trade, in milliseconds since 1970

    def __post_init__(self) -> None:
        schema = self.topic.schema()
        self._registry = Registry(self.settings)
        self._encoder = Encoder(schema, self._registry.number_of(self.topic.subject, schema))
        self._nullable = {each.name: each.is_nullable for each in contract.fields(schema)}
        self._failure = ""
        self._producer = Producer(
            self.settings.kafka(
                **{
                    "enable.idempotence": True,  # with acks=all
                    "compression.type": "zstd",
                    "linger.ms": 10,
                    "message.timeout.ms": 0,  # a broker that is away is waited for
                    "queue.buffering.max.messages": 200_000,
                    "error_cb": self._note,
                    "log_level": 0,
                }
            )
        )

    async def publish(self, trade: Mapping[str, Any], currency: str, origin: str) -> bool:
        """Produce a trade unless it has been; whether it was new.

        Waits while Kafka takes nothing. Raises UserError when the producer cannot go on.
        """
        name, number = str(trade["instrument_name"]), int(trade["trade_seq"])
        if not self.numbers.setdefault(name, Numbers()).add(number):
            self.counts.repeated += 1
            return False
        self.currencies[name] = currency
        record = self._record(trade, currency, origin)
        try:
            value = self._encoder.encode(record)
        except Poison as poison:
            self.counts.refused += 1
            log.error("%s %d: %s; it is in %s", name, number, poison, self.topic.dead_letters)
            await self._produce(self.topic.dead_letters, name, repr(trade).encode(), str(poison))
            return True
        await self._produce(self.topic.name, name, value)
        self.counts.trades += 1
        self.counts.repaired += origin == "repair"
        self.newest = max(self.newest, int(trade["timestamp"]))
        return True

    def _record(self, trade: Mapping[str, Any], currency: str, origin: str) -> dict[str, Any]:
        record = {name: trade.get(name) for name in self._nullable}
        if record["combo_trade_id"] is not None:  # a number in the documentation, text on the wire
            record["combo_trade_id"] = str(record["combo_trade_id"])
        now = round(time.time() * 1000)
        return record | {"currency": currency, "origin": origin, "received_at": now}

    async def _produce(self, topic: str, key: str, value: bytes, reason: str = "") -> None:
        headers: dict[str, str | bytes | None] | None = {"reason": reason} if reason else None
        while True:
            self.poll()
            try:
                self._producer.produce(topic, key=key, value=value, headers=headers)
                return
            except BufferError:
                await asyncio.sleep(0.05)  # Deribit's socket is not read meanwhile

    def poll(self) -> None:
        """Hear of deliveries. Raises UserError when the producer cannot go on."""
        self._producer.poll(0)
        if self._failure:
            raise UserError(
                f"Kafka at {self.settings.bootstrap_servers} takes no records: {self._failure}. "
                "Correct [streaming] in .dlt/config.toml, then start the collector again: it asks "
                "for what it missed"
            )

    def flush(self) -> None:
        """Wait until Kafka has everything. Raises UserError for what it has not."""
        if left := self._producer.flush(_FLUSH):
            raise UserError(
                f"Kafka at {self.settings.bootstrap_servers} did not take {left} records in "
                f"{_FLUSH:.0f} s. The next start asks Deribit for them again"
            )
        self.poll()

    def recover(self) -> int:
        """Learn from the topic what was published lately; the number of records read.

        What a collector knew that was killed is all there: the topic is its only memory.
        """
        consumer = Consumer(self.settings.kafka(**{"group.id": "collector", "log_level": 0}))
        decoder = Decoder(self._registry.schema)
        try:
            found = consumer.list_topics(self.topic.name, timeout=30).topics[self.topic.name]
            if found.error is not None:
                raise KafkaException(found.error)
            return sum(self._read(consumer, decoder, number) for number in found.partitions)
        except KafkaException as error:
            raise UserError(
                f"Kafka at {self.settings.bootstrap_servers}: {error}. Start it and create the "
                "topics: make streaming-up"
            ) from None
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, decoder: Decoder, partition: int) -> int:
        since = round((time.time() - self.settings.recover_hours * 3600) * 1000)
        asked = TopicPartition(self.topic.name, partition, since)
        first = consumer.offsets_for_times([asked], timeout=30)[0].offset
        low, high = consumer.get_watermark_offsets(asked, timeout=30)
        at, count = max(first, low), 0
        consumer.assign([TopicPartition(self.topic.name, partition, at)])
        while at < high:
            for message in consumer.consume(5000, timeout=1.0):
                if message.error():
                    continue
                at, count = int(message.offset() or 0) + 1, count + 1
                try:
                    record = decoder.decode(message.value())
                except Poison:
                    continue  # the sink's affair
                name = record["instrument_name"]
                self.numbers.setdefault(name, Numbers()).add(record["trade_seq"])
                self.currencies[name] = record["currency"]
                self.newest = max(self.newest, record["timestamp"])
        return count

    def _note(self, error: KafkaError) -> None:
        log.warning("Kafka: %s", error.str())
        if error.fatal() or error.code() == KafkaError._AUTHENTICATION:
            self._failure = error.str()
