"""kill -9 of loads and normalises of Stripe and of rates, on both destinations, and readers.

The framework's own kill tests take every step of AWS months; here are the steps that are Stripe's:
months of a ledger that changes, the marts that are computed of it, and a list of products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core import months
from scripts.sandbox.fx.server import FxServer, archive
from scripts.sandbox.stripe.ledger import transaction
from scripts.sandbox.stripe.server import StripeServer
from tests.support import published_clickhouse as there
from tests.support.clickhouse.databases import Template
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, of_tables, of_tier
from tests.support.kill.worlds import (
    Files,
    Tables,
    both_end_as_if_undisturbed,
    end_as_if_undisturbed,
    seen_whole,
)
from tests.support.providers.stripe_ledgers import NOW
from tests.support.published import published

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
        chosen = {
            "SOURCES__STRIPE__OBJECTS": '["products"]',
            "SOURCES__STRIPE__SAMPLE_PAGES": "0",  # it notes the moment at which it was asked
        }
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


# On parquet.


def names_in(data: Path) -> list[str]:
    """Of all products that are read."""
    sql = f"select name from '{data}/stripe/products/*/*.parquet' order by id"
    return [name for (name,) in duckdb.connect().execute(sql).fetchall()]


def nets_in(files: str, month: str = "x_partition", worth: float = 1) -> dict[str, float]:
    """Net by month of every file of a pattern."""
    sql = f"select {month}, sum(net) * {worth} from '{files}' group by 1"
    rows = duckdb.connect().execute(sql).fetchall()
    return {each: round(float(net), 6) for each, net in rows}


def state_of(data: Path) -> list[object]:
    """What is published of both."""
    return [*(published(data, source_name, READ_AT) for source_name in WORDS), names_in(data)]


def is_whole(data: Path, step: str) -> None:
    """Raw, normalised and mart hold whole months, and the mart is of one ledger."""
    created = "strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m')"
    raw = nets_in(f"{data}/stripe/balance_transactions/*/*.parquet", created, 0.01)
    for seen in (raw, nets_in(f"{data}/normalized_stripe/*/*.parquet")):
        seen_whole(seen, total(OLD), total(NEW), step)
    assert nets_in(f"{data}/marts/revenue/*.parquet") in (total(OLD), total(NEW)), step
    sql = f"select max(rate_date) from '{data}/marts/fx_rates/*.parquet'"
    rates = duckdb.connect().execute(sql).fetchall()
    assert rates in ([(OLD_RATES,)], [(NEW_RATES,)]), step
    assert names_in(data) in (OLD_NAMES, NEW_NAMES), step


@THOROUGH
def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(
    providers: Providers, harness: Harness, tmp_path: Path, tier: str
) -> None:
    providers.have(OLD, OLD_RATES, OLD_NAMES)
    world = Files(harness, tmp_path, providers.environ, WORDS)
    world.well("load", "normalize")
    providers.have(NEW, NEW_RATES, NEW_NAMES)
    both_end_as_if_undisturbed(
        world,
        tier,
        lambda: state_of(world.data),
        lambda step: is_whole(world.data, step),
    )
    assert nets_in(f"{world.data}/marts/revenue/*.parquet") == total(NEW)
    assert names_in(world.data) == NEW_NAMES


# On ClickHouse.

#: The raw and the normalised table of each source.
TABLES = {
    "stripe": ("stripe__balance_transactions", "normalized_stripe"),
    "fx": ("fx__ecb_rates", "normalized_fx"),
}


class Loaded:
    """What a database has of one of the sources."""

    def __init__(self, config: ClickHouseConfig, source_name: str) -> None:
        self.config, self.source_name = config, source_name

    def state(self) -> object:
        """All that is published of it."""
        raw, normalised = TABLES[self.source_name]
        found = there.published(self.config, raw, normalised, normalised, READ_AT)
        return found, self._names()

    def is_new(self, step: str = "") -> bool:
        """Whether readers see the new content; fails on what is neither old nor new."""
        if self.source_name == "fx":
            (newest,) = self._rows("select max(rate_date) from normalized_fx")
            assert newest in ((OLD_RATES,), (NEW_RATES,)), step
            return newest == (NEW_RATES,)
        nets = dict(
            self._rows("select x_partition, toFloat64(sum(net)) from normalized_stripe group by 1")
        )
        seen_whole(nets, total(OLD), total(NEW), step)
        names = self._names()
        assert names in (OLD_NAMES, NEW_NAMES), step
        return (nets, names) == (total(NEW), NEW_NAMES)

    def _names(self) -> list[str]:
        return [name for (name,) in self._rows("select name from stripe__products order by id")]

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return there.query(self.config, sql)


@THOROUGH
@pytest.mark.parametrize("source_name", WORDS)
def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(
    providers: Providers, tables: Tables, source_name: str, tier: str
) -> None:
    loaded = Loaded(tables.database, source_name)
    tables.words = (source_name,)
    providers.have(OLD, OLD_RATES, OLD_NAMES)
    tables.well("load")
    assert not loaded.is_new()
    providers.have(NEW, NEW_RATES, NEW_NAMES)
    tables.keep()
    points = of_tables(tables.points("load"), "all")
    assert len(points) > 15
    assert loaded.is_new()
    end_as_if_undisturbed(
        tables,
        "load",
        of_tier(points, tier, quick=1, thorough=4),
        ["load"],
        loaded.state,
        loaded.is_new,
    )


@pytest.fixture
def tables(
    providers: Providers,
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    variables = providers.environ
    made = Tables(harness, tmp_path, clickhouse_server, variables, (), clickhouse_template)
    yield made
    made.close()
