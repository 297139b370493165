"""kill -9 of loads and normalises of Stripe and of rates, on both destinations, and readers.

The framework's own kill tests take every step of AWS months; here are the steps that are Stripe's:
months of a ledger that changes, the marts that are computed of it, and a list of products.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.providers.stripe import months
from scripts.sandbox.fx.server import FxServer, archive
from scripts.sandbox.stripe.ledger import transaction
from scripts.sandbox.stripe.server import StripeServer
from tests.kill.test_kill_clickhouse import World as Warehouse
from tests.kill.test_kill_clickhouse import kill_points
from tests.support import published_clickhouse as there
from tests.support.kill_harness import Folder, some
from tests.support.providers.ledgers import NOW
from tests.support.published import leftovers, published

#: Kill points of each command, evenly; KILL_STRIDE=1 takes all of them, which takes long.
MOST = int(os.environ.get("KILL_MOST", "3"))
WORDS = ("stripe", "fx")
#: When it was read is of a run.
READ_AT = ("delivered_at", "x_delivered_at")

THIS = months.month_of(NOW)
LAST, BEFORE = months.after(THIS, -1), months.after(THIS, -2)
#: Net in cents by creation month. One month has fewer rows afterwards, one is new.
Nets = Mapping[str, list[int]]
OLD: Nets = {BEFORE: [100, 200], LAST: [400, 800, 1600]}
NEW: Nets = {BEFORE: [100, 200], LAST: [401], THIS: [3200, 6400]}
OLD_RATES, NEW_RATES = date(2026, 3, 13), date(2026, 3, 16)
#: Of the list `products`, which is raw only and replaced as a whole.
OLD_NAMES, NEW_NAMES = ["Seats"], ["More seats", "Storage"]


def total(nets: Nets) -> dict[str, float]:
    """By month, as readers see it."""
    return {month: sum(all_of) / 100 for month, all_of in nets.items()}


class Providers:
    """A Stripe and an ECB that have an old and a new content."""

    def __init__(self, stripe: StripeServer, fx: FxServer) -> None:
        self.stripe, self.fx = stripe, fx
        chosen = {"SOURCES__STRIPE__OBJECTS": '["products"]'}
        self.environ = {**stripe.environ, **fx.environ, **chosen}

    def have(self, nets: Nets, until: date, names: list[str]) -> None:
        """Offer these and nothing else."""
        products = [
            {"id": f"prod_{number}", "object": "product", "created": 5, "name": name}
            for number, name in enumerate(names)
        ]
        self.stripe.offer("products", products)
        rows = [
            transaction(
                datetime.fromtimestamp(months.start_of(month), UTC) + timedelta(seconds=number),
                number,
                "charge",
                net + 7,
                7,
            )
            for month, all_of in nets.items()
            for number, net in enumerate(all_of)
        ]
        self.stripe.offer("balance_transactions", rows)
        self.fx.content = archive(until, date(2025, 12, 29))


@pytest.fixture
def providers() -> Iterator[Providers]:
    with StripeServer() as stripe, FxServer(b"") as fx:
        yield Providers(stripe, fx)


def seen_is_whole(seen: Mapping[str, float], step: str) -> None:
    """Every month that a reader finds is the old one or the new one, and none has gone."""
    old, new = total(OLD), total(NEW)
    assert set(old) <= set(seen), step
    for month, net in seen.items():
        assert net in (old.get(month), new.get(month)), (step, month)


# On parquet.


class World(Folder):
    """A destination for months of Stripe and years of rates."""

    def run(self, *commands: str) -> None:
        """Undisturbed."""
        for command in commands:
            assert self.harness.run(command, *WORDS).status == 0

    def state(self) -> list[object]:
        """What is published of both."""
        return [*(published(self.data, word, READ_AT) for word in WORDS), self.names()]

    def names(self) -> list[str]:
        """Of all products that are read."""
        sql = f"select name from '{self.data}/stripe/products/*/*.parquet' order by id"
        return [name for (name,) in duckdb.connect().execute(sql).fetchall()]

    def nets(self, pattern: str, worth: float) -> dict[str, float]:
        """Net by month of every file of a pattern."""
        rows = (
            duckdb.connect()
            .execute(
                "select strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m'), "
                f"sum(net) * {worth} from '{self.data}/{pattern}' group by 1"
                if worth != 1
                else f"select x_partition, sum(net) from '{self.data}/{pattern}' group by 1"
            )
            .fetchall()
        )
        return {month: round(float(net), 6) for month, net in rows}

    def is_whole(self, step: str) -> None:
        """Raw, normalised and mart hold whole months, and the mart is of one ledger."""
        seen_is_whole(self.nets("stripe/balance_transactions/*/*.parquet", 0.01), step)
        seen_is_whole(self.nets("normalized_stripe/*/*.parquet", 1), step)
        mart = self.nets("marts/revenue/*.parquet", 1)
        assert mart in (total(OLD), total(NEW)), step
        rates = (
            duckdb.connect()
            .execute(f"select max(rate_date) from '{self.data}/marts/fx_rates/*.parquet'")
            .fetchall()
        )
        assert rates in ([(OLD_RATES,)], [(NEW_RATES,)]), step
        assert self.names() in (OLD_NAMES, NEW_NAMES), step


@pytest.fixture
def world(providers: Providers, tmp_path: Path) -> Iterator[World]:
    """Two published months and years, which have changed since."""
    providers.have(OLD, OLD_RATES, OLD_NAMES)
    made = World(tmp_path / "world", providers.environ)
    made.run("load", "normalize")
    providers.have(NEW, NEW_RATES, NEW_NAMES)
    made.keep()
    yield made
    made.harness.close()


def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(world: World) -> None:
    steps = {command: world.harness.run(command, *WORDS).steps for command in ("load", "normalize")}
    undisturbed = world.state()
    assert world.nets("marts/revenue/*.parquet", 1) == total(NEW)
    assert world.names() == NEW_NAMES
    for command, taken in steps.items():
        ours = [number for number, step in enumerate(taken, 1) if "/data/" in step]
        assert len(ours) > 20, command
        for count, number in enumerate(some(ours, MOST)):
            world.back()
            if command == "normalize":
                world.run("load")
            step = taken[number - 1]
            assert world.harness.run(command, *WORDS, kill_at=number).status is None, step
            world.is_whole(step)
            if count % 2:
                shutil.rmtree(world.dlt)
            world.run("load", "normalize")
            assert world.state() == undisturbed, step
            assert leftovers(world.data) == []


# On ClickHouse.


class StripeWarehouse(Warehouse):
    """The world of AWS's kill tests with months of Stripe, or years of rates."""

    word = "stripe"

    def command(self) -> tuple[str, ...]:
        return ("load", self.word)

    def state(self) -> object:
        """What is published of the word."""
        raw, mart = {
            "stripe": ("stripe__balance_transactions", "revenue"),
            "fx": ("fx__ecb_rates", "fx_rates"),
        }[self.word]
        found = there.published(self.database, raw, f"normalized_{self.word}", mart, READ_AT)
        return found, self.names()

    def names(self) -> list[str]:
        """Of all products that are read."""
        found = there.query(self.database, "select name from stripe__products order by id")
        return [name for (name,) in found]

    def nets(self) -> dict[str, float]:
        """Net by month, of the mart."""
        sql = "select x_partition, toFloat64(sum(net)) from revenue group by 1"
        return dict(there.query(self.database, sql))

    def newest_rate(self) -> list[tuple[date]]:
        """The last day that has rates."""
        return there.query(self.database, "select max(rate_date) from fx_rates")


@pytest.fixture
def warehouse(
    providers: Providers, clickhouse_server: ClickHouseConfig, tmp_path: Path
) -> Iterator[StripeWarehouse]:
    made = StripeWarehouse(tmp_path / "world", clickhouse_server, providers.environ)
    yield made
    made.close()


def every_kill_ends_the_same(
    warehouse: StripeWarehouse, is_whole: Callable[[str], None], most: int
) -> None:
    warehouse.keep()
    files = warehouse.load().steps
    statements = warehouse.proxy.steps
    undisturbed = warehouse.state()
    points = kill_points(statements, files)
    assert len(points) > 15
    for count, (number, file, step) in enumerate(some(points, most)):
        warehouse.back()
        assert warehouse.load(number, file).status is None, step
        is_whole(step)
        if count % 2:
            shutil.rmtree(warehouse.dlt)
        assert warehouse.load().status == 0, step
        assert warehouse.state() == undisturbed, step
        assert there.leftovers(warehouse.database) == []


def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(
    warehouse: StripeWarehouse, providers: Providers
) -> None:
    providers.have(OLD, OLD_RATES, OLD_NAMES)
    assert warehouse.load().status == 0
    assert warehouse.nets() == total(OLD)
    providers.have(NEW, NEW_RATES, NEW_NAMES)

    def is_whole(step: str) -> None:
        seen_is_whole(warehouse.nets(), step)
        assert warehouse.names() in (OLD_NAMES, NEW_NAMES), step

    every_kill_ends_the_same(warehouse, is_whole, 2 * MOST)
    assert warehouse.nets() == total(NEW)
    assert warehouse.names() == NEW_NAMES


def test_a_load_of_rates_killed_at_a_statement_ends_as_if_undisturbed(
    warehouse: StripeWarehouse, providers: Providers
) -> None:
    def is_whole(step: str) -> None:
        assert warehouse.newest_rate() in ([(OLD_RATES,)], [(NEW_RATES,)]), step

    warehouse.word = "fx"
    providers.have(OLD, OLD_RATES, OLD_NAMES)
    assert warehouse.load().status == 0
    providers.have(NEW, NEW_RATES, NEW_NAMES)
    every_kill_ends_the_same(warehouse, is_whole, 2)
    assert warehouse.newest_rate() == [(NEW_RATES,)]
