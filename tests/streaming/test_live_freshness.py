"""`freshness` knows the stream: a row beside the batch's, which says when it wrote last."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from tests.streaming.test_live_trades import Trades, trade


@pytest.fixture
def trades(clickhouse: ClickHouseConfig) -> Trades:
    return Trades(clickhouse)


#: How long ago the newest live trade was written, and whether the check of the lag names it.
WRITTEN = {"fresh": ("0 second", False), "late": ("11 minute", True), "dead": ("8 day", False)}


@pytest.mark.parametrize("name", WRITTEN)
def test_freshness_says_when_the_stream_wrote_last_beside_what_the_batch_delivered(
    trades: Trades, name: str
) -> None:
    since, is_named = WRITTEN[name]
    trades.batch("closed-1-1-20261120", trade(1))
    trades.live(trade(2, day=1))
    trades.written(since)
    with connect(trades.config) as client:
        client.command("insert into newest_deliveries " + _select_of("newest_deliveries"))
        sql = (
            "select source, newest_partition, toString(newest_day), last_run, newest_delivery is "
            f"null, newest_delivery between now() - interval {since} - interval 5 minute "
            f"and now() + interval 1 second - interval {since} from freshness order by source"
        )
        rows = client.query(sql).result_rows
    batch, live = Trades.day(trade(1)), Trades.day(trade(2, day=1))
    assert [tuple(row) for row in rows] == [
        ("deribit", batch, batch[:10], None, True, None),
        ("deribit_live", live, live[:10], None, False, True),
    ]
    assert bool(trades.check("deribit_live_lag")) is is_named


def test_without_a_stream_freshness_has_no_row_of_it(trades: Trades) -> None:
    with connect(trades.config) as client:
        assert client.query("select source from freshness").result_rows == []


def _select_of(mart: str) -> str:
    (select,) = (each.select for each in mart_selects(SQL, ()) if each.name == mart)
    return select
