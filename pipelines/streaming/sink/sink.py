"""Kafka → ClickHouse: every record of a topic once in its table, whatever dies in between.

Offsets live in the table with the rows (live_table.py). What is committed to Kafka is for people
and lag monitors alone. A partition that is assigned is read from after its largest offset in the
table, so what was polled before a rebalance is dropped and read again by whoever has it now.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseConnectionError, ClickHouseError
from pipelines.core.partition import UserError
from pipelines.streaming import contract
from pipelines.streaming.contract import ContractBroken, TableColumn
from pipelines.streaming.records import Decoder, Poison
from pipelines.streaming.registry import Registry, RegistryError
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.sink.batches import Counts, Letter, place_of, ranges_of, without_column
from pipelines.streaming.sink.dead_letters import DeadLetters
from pipelines.streaming.sink.live_table import DeadLetter, LiveTable, await_inserts, to_fill
from pipelines.streaming.sink.retention import Retention
from pipelines.streaming.topics import Topic

log = logging.getLogger(__name__)

_LONGEST = 10.0  # seconds between two tries
_STATUS = 10.0  # seconds between two status lines
_REFUSALS = 5  # tries of a statement that the server refuses: it may be out of memory for a while
_FATAL = (KafkaError._FATAL, KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED)


class Rebalanced(Exception):
    """The partitions of a batch may be another sink's by now."""


class Stopped(Exception):
    """The sink was asked to stop while it waited for something that does not answer."""


@dataclass
class Sink:
    """One member of the consumer group `settings.group`; `run` until `stopped` says so."""

    topic: Topic
    config: ClickHouseConfig
    settings: StreamingSettings
    stopped: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._table = LiveTable(self.config, self.topic)
        self._decoder = Decoder(Registry(self.settings).schema, self._accept)
        self._dead = DeadLetters(self.topic, self.settings, self._table)
        self._retention = Retention(self._table, self.settings.keep_hours)
        self._columns: list[TableColumn] = []
        self._known: set[tuple[int, int]] = set()
        self._batch: list[Message] = []
        self._generation = self._pending = 0
        self._next: dict[int, int] = {}  # by partition the offset that comes next
        self._is_moved = False
        self._told = 0.0

    def run(self) -> None:
        """Read and write until `stopped`. Raises UserError for what waiting cannot mend."""
        self._columns = self._waited("columns", self._table.columns)
        contract.require_writable(self.topic, self.topic.schema(), self._columns)
        self._consumer = Consumer(self._consumer_settings())
        self._consumer.subscribe(
            [self.topic.name], on_assign=self._assign, on_revoke=self._drop, on_lost=self._drop
        )
        try:
            while not self.stopped():
                self._fill()
                if self._batch:
                    self._write_or_drop()
                self._tell()
        except Stopped:
            log.info("%s: stopped while it waited; nothing is lost", self.topic.name)
        finally:
            self._consumer.close()
            self._table.close()
            self._tell(force=True)

    def metrics(self) -> dict[str, float]:
        """Counters for Prometheus."""
        return dict(vars(self.counts))

    def _consumer_settings(self) -> dict[str, Any]:
        return self.settings.kafka() | {
            "group.id": self.settings.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": round(self.settings.session_seconds * 1000),
            "heartbeat.interval.ms": round(self.settings.session_seconds * 300),
            "max.poll.interval.ms": 900_000,  # a ClickHouse that is away is waited for
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 16_384,  # what is read ahead while ClickHouse is slow
            "reconnect.backoff.ms": 500,
            "error_cb": lambda error: log.warning("%s: Kafka: %s", self.topic.name, error.str()),
            "log_level": 0,  # it would print a line for each try to connect
        }

    def _fill(self) -> None:
        """Collect a batch: as large or as old as configured, whichever comes first."""
        self._batch, end = [], None
        while not self.stopped():
            self._seek()
            left = 0.2 if end is None else end - time.monotonic()
            if left <= 0:
                return
            wanted = min(self.settings.batch_rows - len(self._batch), 1000)
            generation = self._generation
            found = self._consumer.consume(wanted, timeout=min(left, 0.05))
            if generation != self._generation:
                continue  # some of it is from before the rebalance: all of it is read again
            self._batch += [each for each in found if self._is_next(each)]
            if self._batch and end is None:
                end = time.monotonic() + self.settings.batch_seconds
            if len(self._batch) >= self.settings.batch_rows or (end is None and not found):
                return

    def _seek(self) -> None:
        """After a rebalance: begin where the table ends, whatever has been polled since."""
        if not self._is_moved:
            return
        self._is_moved = False
        places = [TopicPartition(self.topic.name, p, offset) for p, offset in self._next.items()]
        self._consumer.assign(places)
        self._consumer.resume(places)

    def _is_next(self, message: Message) -> bool:
        if not self._is_record(message):
            return False
        partition, offset = place_of(message)
        if offset < self._next.get(partition, 0):
            return False
        self._next[partition] = offset + 1
        return True

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() in _FATAL:
            raise UserError(
                f"Kafka at {self.settings.bootstrap_servers}: {error.str()}. Correct "
                "[streaming] in .dlt/config.toml, or the rights of streaming.kafka_user"
            )
        log.warning("%s: Kafka says %s; going on", self.topic.name, error.str())
        return False

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where the table ends, in each partition that this sink has now."""
        self._drop(consumer, partitions)
        inserts = partial(self._waited, "inserts", self._table.inserts)
        await_inserts(inserts, self.sleep, self.stopped)
        after = self._waited("offsets", self._table.next_offsets)
        self._known = self._waited("dead letters", lambda: self._table.dead(after))
        self._next = {p.partition: after.get(p.partition, 0) for p in partitions}
        self._is_moved = True
        consumer.assign(partitions)
        places = ", ".join(f"{partition} from {at}" for partition, at in self._next.items())
        log.info("%s: assigned %s", self.topic.name, places or "no partition")

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._batch, self._next = [], {}
        self._generation += 1
        self.counts.rebalances += 1

    def _write_or_drop(self) -> None:
        batch, self._pending = self._batch, self._generation
        try:
            rows, letters = self._read(batch)
            if letters:
                self._waited("dead letters", lambda: self._dead.add(letters))
                self.counts.dead += len(letters)
            if rows:
                self._insert(rows, batch)
        except Rebalanced:
            log.info("%s: dropped %d records, which are read again", self.topic.name, len(batch))
            return
        self._commit(batch)
        self._retention.run_when_due()

    def _read(self, batch: Sequence[Message]) -> tuple[list[dict[str, Any]], list[Letter]]:
        """Rows of the batch, and the messages that make none with the reason."""
        rows, letters = [], []
        for message in batch:
            partition, offset = place_of(message)
            if (partition, offset) in self._known:
                continue
            try:
                row = self._waited("schema", lambda m=message: self._decoder.decode(m.value()))  # type: ignore[misc]
            except Poison as poison:
                log.warning("%s %d/%d: %s", self.topic.name, partition, offset, poison)
                key = (message.key() or b"").decode("utf-8", "replace")
                letters.append((message, DeadLetter(partition, offset, str(poison), key)))
                continue
            row["kafka_topic"], row["kafka_partition"] = self.topic.name, partition
            row["kafka_offset"] = offset
            rows.append(row)
            self.counts.newest = max(self.counts.newest, row.get("received_at", 0))
        self._known |= {(letter.partition, letter.offset) for _, letter in letters}
        return rows, letters

    def _insert(self, rows: Sequence[Mapping[str, Any]], batch: Sequence[Message]) -> None:
        names = set().union(*(row.keys() for row in rows))
        columns = to_fill(self._columns, names)
        token = f"{self.topic.name}:" + ",".join(
            f"{partition}-{first}-{last}" for partition, first, last in ranges_of(batch)
        )
        self._waited("insert", lambda: self._table.insert(rows, columns, token))
        self.counts.rows += len(rows)
        self.counts.inserts += 1

    def _accept(self, schema: Mapping[str, Any]) -> None:
        """A schema that the table does not have the columns of is waited for: nothing is lost."""
        if not without_column(schema, self._columns):
            return
        self._columns = self._table.columns()
        if missing := without_column(schema, self._columns):
            raise ContractBroken(
                f"{self.topic.name} has records with {', '.join(missing)}, for which "
                f"{self.topic.table} has no column. Run: make init-clickhouse"
            )

    def _waited(self, what: str, call: Callable[[], Any]) -> Any:
        """The answer of something that may be away for a while.

        Meanwhile the group is told that this sink lives. Raises Rebalanced when its partitions
        went, Stopped when it has to end, and what the server refuses again and again.
        """
        refused = 0
        for attempt in range(1_000_000):
            try:
                return call()
            except (ClickHouseConnectionError, RegistryError, KafkaException, ContractBroken) as e:
                error: Exception = e
            except ClickHouseError as e:
                refused += 1
                if refused >= _REFUSALS:
                    raise
                error = e
            self.counts.retries += 1
            pause = min(0.1 * 2.0 ** min(attempt, 10), _LONGEST)
            log.warning("%s: %s: %s; next try in %.1f s", self.topic.name, what, error, pause)
            self._pause(pause, what)
        raise AssertionError

    def _pause(self, seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.stopped():
                raise Stopped
            self.sleep(min(left, 0.1))
        if what in ("insert", "schema"):
            self._stay_in_group()

    def _stay_in_group(self) -> None:
        """Poll with every partition paused, which runs what a rebalance calls."""
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        self._consumer.poll(0)
        if self._pending != self._generation:
            raise Rebalanced
        self._consumer.resume(assigned)

    def _commit(self, batch: Sequence[Message]) -> None:
        offsets = [TopicPartition(self.topic.name, p, last + 1) for p, _, last in ranges_of(batch)]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.debug("commit: %s", error)

    def _tell(self, force: bool = False) -> None:
        now = time.monotonic()
        if now - self._told < _STATUS and not force:
            return
        self._told = now
        done = self.counts
        lag = f", newest {time.time() - done.newest / 1000:.1f} s old" if done.newest else ""
        log.info(
            "%s: %d rows in %d inserts, %d dead letters, %d retries%s",
            self.topic.name, done.rows, done.inserts, done.dead, done.retries, lag,
        )  # fmt: skip
