"""kill -9 of a load and a normalise of Deribit days, on both destinations, and readers meanwhile.

The framework's own kill tests take every step of AWS months; here are the steps that are Deribit's:
reading, landing and publishing days whose trades came late.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Tape
from tests.support import published_clickhouse as there
from tests.support.clickhouse.databases import Template
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, normalising, of_tables, of_tier
from tests.support.kill.worlds import (
    Files,
    Tables,
    both_end_as_if_undisturbed,
    end_as_if_undisturbed,
    seen_whole,
)
from tests.support.providers.deribit_market import FIRST, Writer, at
from tests.support.published import published

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
#: Both are half an hour after a day: what is read of that day is not final yet.
OLD_NOW, NEW_NOW = at(DAYS[2], 0.5), at(DAYS[2], 24.5)
Seen = dict[str, list[str]]


class Exchange:
    """A sandbox: at first two days, of which the second is not final; then it has more trades, a
    hole and an instrument of its own, and there is a third day."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.writer = sandbox, Writer(sandbox)
        self.old = self._of({0: ("BTC-PERPETUAL", 3), 1: ("BTC-PERPETUAL", 2)})
        self.environ = sandbox.environ | {
            "SOURCES__DERIBIT__CURRENCIES": '["BTC"]',
            "SOURCES__DERIBIT__FIRST_DAY": f"{DAYS[0]}",
            "SOURCES__DERIBIT__PARALLEL": "1",
        }

    def _of(self, trades: dict[int, tuple[str, int]], skip: int = 0) -> Seen:
        for day, (instrument, times) in trades.items():
            self.writer.trade(DAYS[day], instrument, times, skip)
        tape = self.sandbox.tape
        found = {f"{day}.BTC": _ids(tape, day) for day in DAYS}
        return {day: ids for day, ids in found.items() if ids}

    def go_on(self) -> Seen:
        """The next day, with what came late; all that is to be published then."""
        self.sandbox.fixed = NEW_NOW
        self._of({1: ("BTC-5DEC26-90000-C", 2)})
        self._of({1: ("BTC-PERPETUAL", 1)}, skip=2)
        return self._of({2: ("BTC-PERPETUAL", 2)})

    def words(self) -> tuple[str, ...]:
        """The commands' arguments: until yesterday, whose data no clock changes."""
        last = DAYS[1] if self.sandbox.fixed == OLD_NOW else DAYS[2]
        return ("deribit", "--to", f"{last}")


def _ids(tape: Tape, day: date) -> list[str]:
    return sorted(trade["trade_id"] for trade in tape.trades("BTC", day))


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Sandbox(Tape(), OLD_NOW) as sandbox:
        yield Exchange(sandbox)


def in_files(data: Path) -> Seen:
    """Published trades by day, as one who globs the mart's folder reads them."""
    return {
        path.stem.removeprefix("deribit-"): sorted(
            pq.ParquetFile(path).read(["trade_id"])["trade_id"].to_pylist()
        )
        for path in sorted(data.glob("marts/trades/deribit-*.parquet"))
    }


@THOROUGH
def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(
    exchange: Exchange, harness: Harness, tmp_path: Path, tier: str
) -> None:
    world = Files(harness, tmp_path, exchange.environ, exchange.words())
    normalize = normalising(tier)
    world.well("load", normalize)
    assert in_files(world.data) == exchange.old
    new = exchange.go_on()
    world.words = exchange.words()
    both_end_as_if_undisturbed(
        world,
        tier,
        partial(published, world.data, "deribit"),
        lambda step: seen_whole(in_files(world.data), exchange.old, new, step),
        normalize,
    )
    assert in_files(world.data) == new


# On ClickHouse.


def in_tables(config: ClickHouseConfig) -> Seen:
    """Published trades by day, as one who reads `trades`."""
    sql = "select x_partition, arraySort(groupArray(trade_id)) from trades group by 1"
    return dict(there.query(config, sql))


@pytest.fixture
def tables(
    exchange: Exchange,
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    """The first two days, published."""
    variables, words = exchange.environ, exchange.words()
    made = Tables(harness, tmp_path, clickhouse_server, variables, words, clickhouse_template)
    made.well("load")
    yield made
    made.close()


@THOROUGH
def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(
    exchange: Exchange, tables: Tables, tier: str
) -> None:
    assert in_tables(tables.database) == exchange.old
    new = exchange.go_on()
    tables.words = exchange.words()
    tables.keep()
    points = of_tables(tables.points("load"), "all")
    assert in_tables(tables.database) == new
    assert len(points) > 20
    # published, but what the exchange has is not noted yet: the next run finds nothing changed
    noting = [p for p in points if "insert into provider_partitions" in p.what.lower()]
    assert noting
    end_as_if_undisturbed(
        tables,
        "load",
        [*of_tier(points, tier, quick=1, thorough=4), noting[-1]],
        ["load"],
        partial(there.published, tables.database, "deribit__trades", "normalized_deribit"),
        lambda step: seen_whole(in_tables(tables.database), exchange.old, new, step),
    )
