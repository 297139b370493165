"""kill -9 of a load and a normalise of Deribit days, on both destinations, and readers meanwhile.

The framework's own kill tests take every step of AWS months; here are the steps that are Deribit's:
reading, landing and publishing days whose trades came late.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Tape
from tests.kill.test_gcp_kill import MOST
from tests.kill.test_kill_clickhouse import World as Warehouse
from tests.kill.test_kill_clickhouse import kill_points
from tests.support import published_clickhouse as there
from tests.support.kill_harness import Ended, Folder, some
from tests.support.providers.deribit_market import FIRST, Writer, at
from tests.support.published import leftovers, published

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

    def load(self) -> tuple[str, ...]:
        """The command's arguments: until yesterday, whose data no clock changes."""
        last = DAYS[1] if self.sandbox.fixed == OLD_NOW else DAYS[2]
        return ("load", "deribit", "--to", f"{last}")


def _ids(tape: Tape, day: date) -> list[str]:
    return sorted(trade["trade_id"] for trade in tape.trades("BTC", day))


def whole(seen: Seen, old: Seen, new: Seen, step: str) -> None:
    """Every day that a reader finds is the old one or the new one, and none has gone."""
    assert set(old) <= set(seen) <= set(new), step
    for day, ids in seen.items():
        assert ids in (old.get(day), new[day]), (step, day)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Sandbox(Tape(), OLD_NOW) as sandbox:
        yield Exchange(sandbox)


class World(Folder):
    """A destination for days of Deribit."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        super().__init__(folder, exchange.environ)
        self.exchange = exchange

    def run(self, command: str, kill_at: int = 0) -> Ended:
        """`load` or `normalize`."""
        arguments = self.exchange.load() if command == "load" else (command, "deribit")
        return self.harness.run(*arguments, kill_at=kill_at)

    def seen(self) -> Seen:
        """Published trades by day, as one who globs the mart's folder reads them."""
        return {
            path.stem.removeprefix("deribit-"): sorted(
                pq.ParquetFile(path).read(["trade_id"])["trade_id"].to_pylist()
            )
            for path in sorted(self.data.glob("marts/trades/deribit-*.parquet"))
        }


def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(
    exchange: Exchange, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    world = World(exchange, tmp_path / "world")
    request.addfinalizer(world.harness.close)
    assert [world.run(command).status for command in ("load", "normalize")] == [0, 0]
    assert world.seen() == exchange.old
    new = exchange.go_on()
    world.keep()
    steps = {command: world.run(command).steps for command in ("load", "normalize")}
    undisturbed = published(world.data, "deribit")
    assert world.seen() == new
    for command, taken in steps.items():
        ours = [n for n, step in enumerate(taken, 1) if "/data/" in step]
        assert len(ours) > 10, command
        for count, number in enumerate(some(ours, MOST)):
            world.back()
            if command == "normalize":
                assert world.run("load").status == 0
            assert world.run(command, kill_at=number).status is None, taken[number - 1]
            whole(world.seen(), exchange.old, new, taken[number - 1])
            if count % 2:
                shutil.rmtree(world.dlt)
            assert [world.run(again).status for again in ("load", "normalize")] == [0, 0]
            assert published(world.data, "deribit") == undisturbed, taken[number - 1]
            assert leftovers(world.data) == []


# On ClickHouse.


class DeribitWarehouse(Warehouse):
    """The world of AWS's kill tests with days of Deribit."""

    def __init__(self, exchange: Exchange, folder: Path, config: ClickHouseConfig) -> None:
        super().__init__(folder, config, exchange.environ)
        self.exchange = exchange

    def command(self) -> tuple[str, ...]:
        return self.exchange.load()

    def seen(self) -> Seen:
        """Published trades by day, as one who reads `trades`."""
        sql = "select x_partition, arraySort(groupArray(trade_id)) from trades group by 1"
        return dict(there.query(self.database, sql))


def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(
    exchange: Exchange,
    clickhouse_server: ClickHouseConfig,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    tables = ("deribit__trades", "normalized_deribit")
    world = DeribitWarehouse(exchange, tmp_path / "world", clickhouse_server)
    request.addfinalizer(world.close)
    assert world.load().status == 0
    assert world.seen() == exchange.old
    new = exchange.go_on()
    world.keep()
    files = world.load().steps
    statements = world.proxy.steps
    undisturbed = there.published(world.database, *tables)
    assert world.seen() == new
    points = kill_points(statements, files)
    assert len(points) > 20
    # published, but what the exchange has is not noted yet: the next run finds nothing changed
    noting = [point for point in points if "insert into provider_partitions" in point[2].lower()]
    assert noting
    for count, (number, file, step) in enumerate([*some(points, 4), noting[-1]]):
        world.back()
        assert world.load(number, file).status is None, step
        whole(world.seen(), exchange.old, new, step)
        if count % 2:
            shutil.rmtree(world.dlt)
        assert world.load().status == 0, step
        assert there.published(world.database, *tables) == undisturbed, step
        assert there.leftovers(world.database) == []
