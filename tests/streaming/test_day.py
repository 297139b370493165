"""A day of Deribit, live and by the batch: one table that has every trade once, at each stage."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.streaming.sink.sink import Sink
from scripts.sandbox.deribit.live import Trouble
from scripts.sandbox.deribit.tape import Shape, make
from tests.streaming.test_collect import DAY, TOPIC, World, wait_until, world
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ

Seen = list[tuple[str, int]]


def sink_until(deribit: World, config: ClickHouseConfig, rows: int) -> None:
    """Run a sink until the live table has so many trades."""

    def done() -> bool:
        with connect(config) as client:
            return int(client.query(f"select count() from {TOPIC.table}").result_rows[0][0]) >= rows

    deribit.settings.batch_seconds = 0.02
    Sink(TOPIC, config, deribit.settings, done).run()


def seen(config: ClickHouseConfig) -> tuple[Seen, set[str]]:
    """Every trade that readers see, doubles and all, and where they came from."""
    with connect(config) as client:
        sql = "select instrument_name, trade_seq, x_fingerprint from trades order by all"
        rows = client.query(sql).result_rows
    return [(name, seq) for name, seq, _ in rows], {how.split("-")[0] for _, _, how in rows}


@pytest.mark.thorough
def test_a_days_tape_is_one_table_live_with_an_open_batch_and_when_it_is_proved(
    clickhouse: ClickHouseConfig, commands: Commands
) -> None:
    made = make(("BTC", "ETH"), DAY, 2, Shape(trades_per_day=400))  # the second proves the first
    with world(made, Trouble(lost=0.1, twice=0.1, late=0.1)) as deribit:
        commands.set(environ(clickhouse, commands.data) | deribit.live.http.environ)
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
        load = ("load", "deribit", "--from", str(DAY), "--to", str(DAY))
        with deribit.collecting() as collector:
            deribit.live.wait_for(2)
            deribit.play(12)
            wait_until(collector, len(deribit.expected(12)))
            sink_until(deribit, clickhouse, len(deribit.expected(12)))
            assert seen(clickhouse) == (deribit.expected(12), {"live"})

            assert commands(*load).status == 0  # of the morning
            assert seen(clickhouse)[0] == deribit.expected(12)
            deribit.play(24)
            wait_until(collector, len(deribit.expected(24)))
        sink_until(deribit, clickhouse, len(deribit.expected(24)))
        assert seen(clickhouse) == (deribit.expected(24), {"open", "live"})

        deribit.play(34)  # the next morning
        assert commands(*load).status == 0
        assert seen(clickhouse) == (deribit.expected(24), {"closed"})
        for name in ("live_gaps", "live_against_batch", "live_dead_letters", "duplicates"):
            assert f"deribit_{name}:" not in commands("check").out
