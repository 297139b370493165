"""The sink: every record of a topic once in ClickHouse. Kafka is librdkafka's mock broker here, and
the JVM's in test_stack.py; ClickHouse is real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseConnectionError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.streaming.records import Encoder
from pipelines.streaming.registry import Registry
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.sink.live_table import LiveTable, to_fill
from pipelines.streaming.sink.sink import Sink
from pipelines.streaming.topics import TOPICS
from scripts.sandbox.kafka.broker import MockBroker
from scripts.sandbox.kafka.registry import SchemaRegistry
from tests.support.clickhouse.server import Server

TOPIC = TOPICS["deribit"]


def trade(number: int, **changes: Any) -> dict[str, Any]:
    """Trade `number` of a made-up tape of three instruments."""
    return {
        "instrument_name": f"BTC-27DEC26-{(number % 3 + 9) * 10_000}-C",
        "trade_seq": number // 3 + 1,
        "trade_id": str(1000 + number),
        "timestamp": 1_796_000_000_000 + number,
        "currency": "BTC",
        "direction": "buy",
        "tick_direction": number % 4,
        "price": number / 1000,
        "amount": 1.5,
        "index_price": 97_000.0,
        "iv": 55.5,
        "received_at": 1_796_000_000_100 + number,
        "origin": "websocket",
    } | changes


@dataclass
class Stream:
    """A broker, a registry and a migrated database; records go in, rows come out."""

    broker: MockBroker
    registry: SchemaRegistry
    config: ClickHouseConfig

    def __post_init__(self) -> None:
        self.settings = StreamingSettings(
            bootstrap_servers=self.broker.bootstrap, registry_url=self.registry.url
        )
        self.settings.batch_seconds = 0.02
        self.encoder = self.encode_by(TOPIC.schema())

    def encode_by(self, schema: dict[str, Any]) -> Encoder:
        """An encoder of a schema that the registry takes."""
        return Encoder(schema, Registry(self.settings).register(TOPIC.subject, schema))

    def send(self, numbers: Sequence[int]) -> None:
        """Produce these trades."""
        self.send_values(
            [(trade(n)["instrument_name"], self.encoder.encode(trade(n))) for n in numbers]
        )

    def send_values(self, records: Sequence[tuple[str, bytes | None]]) -> None:
        """Produce records of key and value."""
        self.broker.send(TOPIC.name, [(key.encode(), value) for key, value in records])

    def sink(self, until: Callable[[], bool], **changes: Any) -> Sink:
        """A sink that ends when that is so."""
        return Sink(TOPIC, self.config, self.settings, until, **changes)

    def run_until(self, rows: int, dead: int = 0) -> Sink:
        """Run a sink until the table holds so many rows."""

        end = time.monotonic() + 60  # a sink that writes nothing fails the test, not the run

        def done() -> bool:
            have = self.count() >= rows and self.count(TOPIC.dead) >= dead
            return have or time.monotonic() > end

        sink = self.sink(done)
        sink.run()
        return sink

    def count(self, table: str = TOPIC.table) -> int:
        """Rows as they were inserted, doubles and all."""
        return int(self.query(f"select count() from {table}")[0][0])

    def query(self, sql: str) -> list[Any]:
        """Rows of a statement."""
        with ClickHouseManager(self.config) as manager:
            return [tuple(row) for row in manager.execute(sql)]

    def trades(self) -> list[tuple[str, int]]:
        """Instrument and number of every row, doubles and all."""
        return self.query(f"select instrument_name, trade_seq from {TOPIC.table} order by all")


@pytest.fixture
def stream(clickhouse: ClickHouseConfig) -> Iterator[Stream]:
    with MockBroker() as broker, SchemaRegistry() as registry:
        yield Stream(broker, registry, clickhouse)


def expected(count: int) -> list[tuple[str, int]]:
    found = [trade(n) for n in range(count)]
    return sorted((each["instrument_name"], each["trade_seq"]) for each in found)


def test_every_record_is_a_row_with_its_place_in_kafka(stream: Stream) -> None:
    stream.send([4])
    stream.run_until(1)
    columns = "instrument_name, trade_seq, trade_id, timestamp, currency, price, contracts, iv"
    ours = "kafka_topic, kafka_offset, trade_date, x_fingerprint"
    assert stream.query(f"select {columns}, {ours} from {TOPIC.table}") == [
        ("BTC-27DEC26-100000-C", 2, "1004", 1_796_000_000_004, "BTC", 0.004, None, 55.5,
         "deribit.trades.v1", 0, "2026-11-30.BTC", "live"),
    ]  # fmt: skip


@pytest.mark.thorough
def test_a_sink_goes_on_after_what_the_table_has(stream: Stream) -> None:
    stream.send(range(30))
    stream.run_until(30)
    stream.send(range(30, 50))
    assert stream.run_until(50).counts.rows == 20
    assert stream.trades() == expected(50)


def test_a_batch_that_is_written_twice_is_in_the_table_once(stream: Stream) -> None:
    """A sink whose connection broke under an insert sends it again; so does one that slept."""
    table = LiveTable(stream.config, TOPIC)
    place = {"kafka_topic": TOPIC.name, "kafka_partition": 2}
    rows = [trade(n) | place | {"kafka_offset": n} for n in range(10)]
    columns = to_fill(table.columns(), set(rows[0]))
    table.insert(rows[:6], columns, "first")
    table.insert(rows[:6], columns, "first")  # the same batch again
    table.insert(rows[3:], columns, "another")  # a batch that another sink has written in part
    table.close()
    assert stream.trades() == expected(10)
    assert table.next_offsets() == {2: 10}
    table.close()


@pytest.mark.thorough  # the insert takes longer than a group takes to assign
def test_what_a_killed_sink_was_inserting_is_waited_for(stream: Stream) -> None:
    """The server goes on with it, and shows its rows when the next sink would have read on."""
    stream.send(range(30))
    stream.run_until(30)
    columns = ", ".join(trade(0)) + ", kafka_topic, kafka_partition, kafka_offset"
    stream.query(f"create table sent engine = Memory as select {columns} from {TOPIC.table}")
    stream.query(f"truncate table {TOPIC.table}")
    slowly = (
        f"select {columns} from sent where not sleepEachRow(0.3) "
        "settings function_sleep_max_microseconds_per_block = 30000000"
    )
    insert = partial(stream.query, f"insert into {TOPIC.table} ({columns}) {slowly}")
    table = LiveTable(stream.config, TOPIC)
    with ThreadPoolExecutor(1) as pool:
        inserted = pool.submit(insert)
        while not table.inserts():
            assert not inserted.done()
        stream.run_until(30)
        inserted.result()
    table.close()
    assert stream.trades() == expected(30)


def test_rows_of_several_days_and_currencies_are_one_part(stream: Stream) -> None:
    """A server that dies between two parts of an insert would lose one of them for ever."""
    table = LiveTable(stream.config, TOPIC)
    place = {"kafka_topic": TOPIC.name, "kafka_partition": 0}
    days = [trade(n, timestamp=1_796_000_000_000 + n * 86_400_000) for n in range(3)]
    rows = [each | place | {"kafka_offset": n} for n, each in enumerate(days)]
    table.insert(rows, to_fill(table.columns(), set(rows[0])), "days")
    table.close()
    parts = f"select count() from system.parts where active and table = '{TOPIC.table}'"
    assert stream.query(f"{parts} and database = '{stream.config.database}'") == [(1,)]


def test_poison_goes_to_the_dead_letters_with_its_reason_and_the_rest_is_read(
    stream: Stream,
) -> None:
    good = stream.encoder.encode(trade(0))
    stream.send_values(
        [
            ("a", b"no avro"),
            ("a", b"\0\0\0\x03\xe7 garbage"),
            ("a", good[:20]),
            ("a", good + b"!"),
            ("a", None),
            ("a", good),
        ]
    )
    stream.run_until(1, dead=5)
    reasons = stream.query(f"select reason from {TOPIC.dead} final order by kafka_offset")
    assert [reason for (reason,) in reasons] == [
        "not framed as Avro of a registry: begins with 6e6f206176",
        "the registry has no schema 999",
        "not Avro of its schema: EOFError Expected 19 bytes, read 14",
        "longer than a record of its schema",
        "no value: a tombstone, which this topic has not",
    ]
    letters = stream.broker.read(TOPIC.dead_letters)
    assert [(value, headers["reason"].decode()) for _, value, headers in letters] == [
        (value, reason)
        for value, (reason,) in zip(
            [b"no avro", b"\0\0\0\x03\xe7 garbage", good[:20], good + b"!", b""],
            reasons, strict=True,
        )
    ]  # fmt: skip
    assert stream.trades() == expected(1)


@pytest.mark.thorough
def test_a_dead_letter_at_the_end_is_kept_once_however_often_a_sink_starts(stream: Stream) -> None:
    stream.send_values([("a", stream.encoder.encode(trade(0))), ("a", b"no avro")])
    stream.run_until(1, dead=1)
    stream.send_values([("a", stream.encoder.encode(trade(1)))])
    stream.run_until(2, dead=1)
    assert len(stream.broker.read(TOPIC.dead_letters)) == stream.count(TOPIC.dead) == 1


def test_a_registry_that_is_away_is_waited_for(stream: Stream) -> None:
    stream.send(range(5))
    stream.registry.is_away = True
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        stream.registry.is_away = len(waits) < 3

    sink = stream.sink(lambda: stream.count() == 5, sleep=sleep)
    sink.run()
    assert sink.counts.dead == 0
    assert sink.counts.retries > 0
    assert stream.trades() == expected(5)


def test_a_new_field_waits_for_its_column(stream: Stream) -> None:
    schema = TOPIC.schema()
    schema["fields"].append({"name": "venue", "type": ["null", "string"], "default": None})
    newer = stream.encode_by(schema)
    stream.send_values(
        [
            ("a", stream.encoder.encode(trade(0))),
            ("a", newer.encode(trade(1, venue="west"))),
            ("a", stream.encoder.encode(trade(2))),
        ]
    )
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            stream.query(f"alter table {TOPIC.table} add column venue Nullable(String)")

    stream.sink(lambda: stream.count() == 3, sleep=sleep).run()
    rows = stream.query(f"select trade_id, venue from {TOPIC.table} order by 1")
    assert rows == [("1000", None), ("1001", "west"), ("1002", None)]


def test_sinks_of_a_group_share_the_partitions_and_write_each_row_once(stream: Stream) -> None:
    stream.send(range(80))
    stream.settings.batch_rows = 7
    ended = threading.Event()
    sinks = [stream.sink(ended.is_set) for _ in range(2)]
    threads = [threading.Thread(target=sink.run) for sink in sinks]
    threads[0].start()
    stream.send(range(80, 160))
    threads[1].start()
    stream.send(range(160, 240))
    watcher = stream.sink(lambda: stream.count() >= 240)
    watcher.run()
    ended.set()
    for thread in threads:
        thread.join()
    assert stream.trades() == expected(240)


def test_clickhouse_that_dies_under_the_sink_loses_nothing(tmp_path: Path) -> None:
    from pipelines.clickhouse.schema.migrate import migrate

    server = Server(tmp_path / "server")
    with server, MockBroker() as broker, SchemaRegistry() as registry:
        config = replace(server.config(), database="live")
        migrate(config, ())
        stream = Stream(broker, registry, config)
        stream.send(range(100))
        server.kill()
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                server.start()

        def done() -> bool:
            try:
                return len(waits) > 1 and stream.count() >= 100
            except ClickHouseConnectionError:
                return False

        stream.sink(done, sleep=sleep).run()
        assert stream.trades() == expected(100)
