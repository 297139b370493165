"""`trades` is batch and stream: every trade once, at every moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.marts import checks
from pipelines.streaming.sink.live_table import LiveTable, to_fill
from pipelines.streaming.sink.retention import Retention
from pipelines.streaming.topics import TOPICS

TOPIC = TOPICS["deribit"]
NAME = "BTC-PERPETUAL"
DAY = 1_795_000_000_000 // 86_400_000 * 86_400_000  # 2026-11-18, in milliseconds


def trade(seq: int, day: int = 0, **changes: Any) -> dict[str, Any]:
    moment = DAY + day * 86_400_000 + seq * 1000
    return {
        "instrument_name": NAME,
        "trade_seq": seq,
        "trade_id": str(seq),
        "timestamp": moment,
        "currency": "BTC",
        "direction": "buy",
        "price": 97_000.5,
        "amount": 10.0,
        "index_price": 97_001.0,
        "received_at": moment + 50,
        "origin": "websocket",
    } | changes


class Trades:
    """A migrated database with a live part and a batch part."""

    def __init__(self, config: ClickHouseConfig) -> None:
        self.config = config
        self.table = LiveTable(config, TOPIC)
        self.offset = 0

    def live(self, *trades: Mapping[str, Any]) -> None:
        """What a sink wrote."""
        rows = []
        for each in trades:
            place = {"kafka_topic": TOPIC.name, "kafka_partition": 0, "kafka_offset": self.offset}
            rows.append({**each, **place})
            self.offset += 1
        columns = to_fill(self.table.columns(), set(rows[0]))
        self.table.insert(rows, columns, str(self.offset))

    def batch(self, fingerprint: str, *trades: Mapping[str, Any]) -> None:
        """Publish a day as the batch does: whole, in one statement."""
        day = self.day(trades[0])
        with connect(self.config) as client:
            for table, columns in (("deribit__trades", "trade_date"), ("normalized_deribit", "")):
                client.command(f"create or replace table _s_{table} as {table}")
                if columns:
                    self._fill_raw(client, f"_s_{table}", day, fingerprint, trades)
                else:
                    client.command(
                        f"insert into _s_{table} select * from normalized_deribit where false"
                    )
            client.command(
                f"alter table deribit__trades replace partition '{day}' from _s_deribit__trades"
            )
            client.command("truncate table _s_normalized_deribit")
            client.command(_normalised("_s_deribit__trades", "_s_normalized_deribit"))
            client.command(
                "alter table normalized_deribit replace partition "
                f"'{day}' from _s_normalized_deribit"
            )
            client.command(
                "insert into deliveries (word, partition, fingerprint, rows, published_at) values "
                f"('deribit', '{day}', '{fingerprint}', {len(trades)}, now64(6))"
            )

    @staticmethod
    def day(trade: Mapping[str, Any]) -> str:
        moment = datetime.fromtimestamp(trade["timestamp"] / 1000, UTC)
        return f"{moment:%Y-%m-%d}.BTC"

    @staticmethod
    def _fill_raw(client: Any, table: str, day: str, fingerprint: str, trades: Any) -> None:
        names = ["instrument_name", "trade_seq", "trade_id", "timestamp", "direction", "price"]
        names += ["amount", "index_price"]
        rows = [[day, fingerprint, *(each[n] for n in names)] for each in trades]
        client.insert(table, rows, column_names=["trade_date", "x_fingerprint", *names])

    def seen(self) -> list[tuple[int, str]]:
        """Number and delivery of every trade that readers see."""
        with connect(self.config) as client:
            sql = "select trade_seq, x_fingerprint from trades order by all"
            return [tuple(row) for row in client.query(sql).result_rows]

    def written(self, ago: str) -> None:
        """As if the live trades had been written then."""
        with connect(self.config) as client:
            client.command("create or replace table old as deribit__live_trades")
            client.command(
                f"insert into old select * replace (now64(3, 'UTC') - interval {ago} "
                "as written_at) from deribit__live_trades"
            )
            client.command("exchange tables old and deribit__live_trades")

    def check(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of a check."""
        with connect(self.config) as client:
            connection = checks.ClickHouseConnection(client, self.config)
            [result] = checks.run(connection, [name])
            return [tuple(row) for row in result.rows]


def _normalised(source: str, target: str) -> str:
    from pipelines.clickhouse.schema.statements import views_of

    return f"insert into {target} {views_of('deribit__trades', ())[0].select(source)}"


@pytest.fixture
def trades(clickhouse: ClickHouseConfig) -> Trades:
    return Trades(clickhouse)


def test_of_an_open_day_readers_see_the_batch_and_live_what_it_lacks(trades: Trades) -> None:
    trades.live(*(trade(n) for n in range(1, 7)))
    assert trades.seen() == [(n, "live") for n in range(1, 7)]
    trades.batch("open-1-3", *(trade(n) for n in range(2, 5)))
    open_ = [(n, "open-1-3") for n in range(2, 5)]
    assert trades.seen() == [(1, "live"), *open_, (5, "live"), (6, "live")]


def test_a_proven_day_is_the_batchs_alone(trades: Trades) -> None:
    trades.live(*(trade(n) for n in range(1, 5)), trade(9, day=1))
    trades.batch("closed-2-3-20261120", *(trade(n) for n in range(1, 4)))
    closed = [(n, "closed-2-3-20261120") for n in range(1, 4)]
    assert trades.seen() == [*closed, (9, "live")]


def test_a_trade_that_came_twice_is_read_once(trades: Trades) -> None:
    """A repair and a websocket that deliver the same trade, in inserts of different days."""
    trades.live(trade(1))
    trades.live(trade(1, origin="repair"))
    assert trades.seen() == [(1, "live")]


def test_a_live_trade_reads_as_the_batchs_does(trades: Trades) -> None:
    option: dict[str, Any] = {"instrument_name": "ETH-27DEC26-3000-P", "iv": 50.0}
    given = [trade(1), trade(2, **option)]
    columns = "* except (x_fingerprint, x_dlt_load_id)"
    sql = f"select {columns} from trades order by trade_seq"
    trades.live(*given)
    with connect(trades.config) as client:
        live = client.query(sql)
        client.command("truncate table deribit__live_trades")
        trades.batch("closed-1-2-20261120", *({**each, "iv": None} for each in given))
        batch = client.query(sql)
    assert live.column_names == batch.column_names
    at = live.column_names.index("iv")
    rows = [[v for n, v in enumerate(row) if n != at] for row in live.result_rows]
    assert rows == [[v for n, v in enumerate(row) if n != at] for row in batch.result_rows]


def test_a_reader_sees_every_trade_once_while_the_batch_publishes(trades: Trades) -> None:
    """The reader's query takes its snapshots slowly, so that publishing falls between them."""
    trades.live(*(trade(n) for n in range(1, 21)))
    trades.batch("open-1-10", *(trade(n) for n in range(1, 11)))
    ended, seen = threading.Event(), []

    def read() -> None:
        config = trades.config.to_connect_arguments()
        with clickhouse_connect.get_client(**config, autogenerate_session_id=False) as client:
            while not ended.is_set():
                sql = "select count(), uniqExact(trade_seq) from trades"
                slowly = {"merge_tree_storage_snapshot_sleep_ms": 5}
                slowly["enable_shared_storage_snapshot_in_query"] = 1  # the default since 25.12
                seen.append(tuple(client.query(sql, settings=slowly).result_rows[0]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(4):
        half = range(1, 11 + number)
        trades.batch(f"open-{number}-10", *(trade(n) for n in half))
        trades.batch(f"closed-{number}-20-20261120", *(trade(n) for n in range(1, 21)))
    ended.set()
    reader.join()
    assert set(seen) == {(20, 20)}


def test_live_rows_go_when_the_batch_has_their_day_for_a_while(trades: Trades) -> None:
    yesterday = "2026-01-01 00:00:00"
    trades.live(trade(1), trade(2))
    trades.live(trade(9, day=1))
    retention = Retention(trades.table, keep_hours=1)

    def age() -> None:
        """As if the first two had been written long ago: the sink itself never sets it."""
        with connect(trades.config) as client:
            client.command("create or replace table old as deribit__live_trades")
            sql = "select * replace (toDateTime64('{}', 3, 'UTC') as written_at)"
            client.command(f"insert into old {sql.format(yesterday)} from deribit__live_trades "
                           "where kafka_offset < 2")  # fmt: skip
            client.command("insert into old select * from deribit__live_trades "
                           "where kafka_offset >= 2")  # fmt: skip
            client.command("exchange tables old and deribit__live_trades")

    age()
    assert retention.run() == []  # the batch has nothing
    trades.batch("open-1-2", trade(1), trade(2))
    assert retention.run() == []  # not proved
    trades.batch("closed-1-2-20261120", trade(1), trade(2))
    assert retention.run() == []  # proved just now
    with connect(trades.config) as client:
        client.command("truncate table deliveries")
    assert retention.run() == ["2026-01-01"]
    assert trades.seen() == [
        (1, "closed-1-2-20261120"), (2, "closed-1-2-20261120"), (9, "live"),
    ]  # fmt: skip
    assert trades.table.next_offsets() == {0: 3}


def test_gaps_older_than_a_minute_are_named(trades: Trades) -> None:
    trades.live(trade(1), trade(2), trade(5), trade(9))
    found = [row[:4] for row in trades.check("deribit_live_gaps")]
    assert found == [("BTC", NAME, 3, 4), ("BTC", NAME, 6, 8)]
    trades.batch("open-1-2", trade(3), trade(4))
    assert [row[:4] for row in trades.check("deribit_live_gaps")] == [("BTC", NAME, 6, 8)]


def test_live_and_batch_are_compared_trade_by_trade(trades: Trades) -> None:
    trades.live(trade(1), trade(2), trade(3, price=1.0))
    trades.batch("closed-1-2-20261120", trade(1), trade(3))
    day = Trades.day(trade(1))
    assert trades.check("deribit_live_against_batch") == [
        (day, NAME, 2, 97_000.5, None, 10.0, None),
        (day, NAME, 3, 1.0, 97_000.5, 10.0, 10.0),
    ]


def test_dead_letters_and_a_stream_that_stopped_are_named(trades: Trades) -> None:
    assert trades.check("deribit_live_dead_letters") == trades.check("deribit_live_lag") == []
    from pipelines.streaming.sink.live_table import DeadLetter

    trades.table.add_dead([DeadLetter(2, 7, "no Avro", "key")])
    found = [row[:4] for row in trades.check("deribit_live_dead_letters")]
    assert found == [(TOPIC.name, 2, 7, "no Avro")]
    trades.live(trade(1))
    assert trades.check("deribit_live_lag") == []
    trades.written("1 hour")
    assert [row[0] for row in trades.check("deribit_live_lag")] == ["BTC"]


@pytest.mark.thorough
def test_live_trades_do_not_disturb_the_checks_of_the_batch(trades: Trades) -> None:
    """What the batch has is compared with raw, and proved, without what came live."""
    trades.batch("open-1-3", *(trade(n) for n in range(1, 4)))
    trades.live(*(trade(n) for n in range(3, 9)), trade(20))
    names = ["conservation", "sequence_gaps", "newest_numbers", "duplicates", "foreign_day"]
    assert [row for name in names for row in trades.check(f"deribit_{name}")] == []
