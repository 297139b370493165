"""`make streaming-smoke`: from a schema to rows in ClickHouse, with a change that fits, one that
does not, and a record that nobody can read. Says what it saw; fails at the first thing that is not
as it has to be. It works on a topic and tables of its own, named by the time, and removes them.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.streaming import contract
from pipelines.streaming.records import Encoder
from pipelines.streaming.registry import Incompatible, Registry
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.setup import create_topics
from pipelines.streaming.sink.live_table import LiveTable
from pipelines.streaming.sink.sink import Sink
from pipelines.streaming.topics import TOPICS, Topic

_SECONDS = 60.0


class Failed(Exception):
    """What was seen is not what has to be."""


def trade(number: int, **changes: Any) -> dict[str, Any]:
    """A made-up trade."""
    now = round(time.time() * 1000)
    return {
        "instrument_name": f"BTC-27DEC26-{90 + number % 7}000-C", "trade_seq": number // 7 + 1,
        "trade_id": str(number), "timestamp": now, "currency": "BTC", "direction": "buy",
        "price": 0.05, "amount": 1.0, "index_price": 97_000.0, "received_at": now,
        "origin": "websocket",
    } | changes  # fmt: skip


class Smoke:
    """One run, on names of its own."""

    def __init__(
        self, settings: StreamingSettings, config: ClickHouseConfig, tell: Callable[[str], None]
    ) -> None:
        self.settings, self.config, self.tell = settings, config, tell
        name = f"smoke.{round(time.time() * 1000)}"
        table = name.replace(".", "_")
        self.schema = TOPICS["deribit"].schema()
        self.topic: Topic = replace(
            TOPICS["deribit"],
            name=name,
            table=table,
            dead=f"{table}_dead",
            partitions=2,
            contract="deribit.trades.v1",
        )
        settings.group = name
        self.registry = Registry(settings)

    def run(self) -> None:
        """Every step. Raises Failed, and what the parts raise."""
        try:
            self._prepare()
            encoder = self._register()
            self._trades(encoder)
            self._change(encoder)
            self._refused()
            self._poison(encoder)
        finally:
            self._clean()

    def _prepare(self) -> None:
        with ClickHouseManager(self.config) as manager:
            for have, name in (("trades", self.topic.table), ("dead_letters", self.topic.dead)):
                manager.execute(f"create table {name} as deribit__live_{have}")
        columns = LiveTable(self.config, self.topic).columns()
        contract.require(TOPICS["deribit"], self.schema, columns)
        self.tell(f"schema and table agree on {len(contract.fields(self.schema))} fields")
        create_topics(self.topic, self.settings, self.tell)

    def _register(self) -> Encoder:
        number = self.registry.register(self.topic.subject, self.schema)
        self.registry.require_level(self.topic.subject)
        self.tell(f"registered {self.topic.subject} as schema {number}")
        return Encoder(self.schema, number)

    def _trades(self, encoder: Encoder) -> None:
        self._send([encoder.encode(trade(n)) for n in range(1000)])
        seconds = self._sink_until(1000)
        self.tell(f"1000 records are 1000 rows after {seconds:.1f} s")

    def _change(self, encoder: Encoder) -> None:
        newer = copy.deepcopy(self.schema)
        newer["fields"].append({"name": "venue", "type": ["null", "string"], "default": None})
        number = self.registry.register(self.topic.subject, newer)
        with ClickHouseManager(self.config) as manager:
            manager.execute(f"alter table {self.topic.table} add column venue Nullable(String)")
        values = [Encoder(newer, number).encode(trade(n, venue="west")) for n in range(1000, 1010)]
        self._send([*values, *(encoder.encode(trade(n)) for n in range(1010, 1020))])
        self._sink_until(1020)
        if self._count("venue = 'west'") != 10:
            raise Failed("the new field did not reach its column")
        self.tell(f"a new field that may be null: schema {number}, old and new records are rows")

    def _refused(self) -> None:
        newer = copy.deepcopy(self.schema)
        newer["fields"] = [each for each in newer["fields"] if each["name"] != "trade_id"]
        try:
            self.registry.register(self.topic.subject, newer)
        except Incompatible as error:
            self.tell(f"a required field removed: {error}")
            return
        raise Failed("the registry took a schema without trade_id")

    def _poison(self, encoder: Encoder) -> None:
        values = [b"no avro", encoder.encode(trade(2000)), b"\0\0\0\xff\xffgarbage"]
        self._send(values)
        self._sink_until(1021, dead=2)
        with ClickHouseManager(self.config) as manager:
            sql = f"select reason from {self.topic.dead} final order by reason"
            for (reason,) in manager.execute(sql):
                self.tell(f"poison is a dead letter: {reason}")
        self.tell("the record between them is a row")

    def _send(self, values: list[bytes]) -> None:
        producer = Producer(self.settings.kafka(**{"enable.idempotence": True, "log_level": 0}))
        for number, value in enumerate(values):
            producer.produce(self.topic.name, key=f"{number % 7}", value=value)
        if producer.flush(30):
            raise Failed("Kafka did not take the records in 30 s")

    def _sink_until(self, rows: int, dead: int = 0) -> float:
        started, ended = time.monotonic(), threading.Event()

        def done() -> bool:
            late = time.monotonic() - started > _SECONDS
            have = self._count("1"), self._count("1", self.topic.dead) if dead else 0
            return late or ended.is_set() or have >= (rows, dead)

        Sink(self.topic, self.config, self.settings, done).run()
        found = self._count("1")
        if found != rows:
            raise Failed(f"{found} rows instead of {rows} after {_SECONDS:.0f} s")
        return time.monotonic() - started

    def _count(self, where: str, table: str = "") -> int:
        with ClickHouseManager(self.config) as manager:
            sql = f"select count() from {table or self.topic.table} where {where}"
            return int(manager.execute(sql)[0][0])

    def _clean(self) -> None:
        with ClickHouseManager(self.config) as manager:
            for name in (self.topic.table, self.topic.dead):
                manager.execute(f"drop table if exists {name} sync")
        client = AdminClient(self.settings.kafka(log_level=0))
        for future in client.delete_topics([self.topic.name, self.topic.dead_letters]).values():
            future.exception(30)
