"""What counts as revenue: Connect platforms, categories of the configuration, amounts of 0."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.core.partition import ConfigurationError
from pipelines.providers.stripe.fields import keep_allowed
from pipelines.tables.categories import categories
from scripts.sandbox.stripe.ledger import transaction
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.estate import TAGS
from tests.support.providers.stripe_ledgers import Row
from tests.support.providers.stripe_shops import Shop, opened
from tests.support.published_clickhouse import query

CASES = ROOT / "tests" / "data" / "stripe" / "cases"
AUTUMN = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(params=["filesystem", "clickhouse"])
def shop(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Shop]:
    config = request.getfixturevalue("clickhouse") if request.param == "clickhouse" else None
    with opened(commands, config) as found:
        found.configure("main")
        yield found


def case(name: str) -> list[Row]:
    found: list[Row] = json.loads((CASES / f"{name}.json").read_text())
    return found


def near(*days: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [(day, *(pytest.approx(value, abs=1e-9) for value in values)) for day, *values in days]


FIGURES = "date, revenue_gross, revenue_contra, fees, revenue_net"


@pytest.mark.thorough
def test_of_a_destination_charge_the_platform_keeps_its_fee(shop: Shop) -> None:
    shop.offer("main", case("stripe_connect_destination"))
    shop.load(AUTUMN)
    assert shop.daily(FIGURES) == near(
        (date(2026, 11, 10), 2.0, 0.0, 0.59, 1.41),  # with application_fee_amount
        (date(2026, 11, 11), 2.0, 0.0, 0.59, 1.41),  # with transfer_data[amount]
        (date(2026, 11, 12), 0.0, -2.0, 0.0, -2.0),  # refunded, with its fee
    )


@pytest.mark.thorough
def test_of_separate_charges_and_transfers_the_platform_keeps_the_difference(shop: Shop) -> None:
    """The example of Stripe's revenue recognition: 15 charged, 10 passed on, both taken back."""
    entries = [(2, "charge", 1500), (3, "transfer", -1000), (9, "refund", -1500)]
    entries.append((10, "transfer_reversal", 1000))
    shop.offer(
        "main",
        [
            transaction(datetime(2026, 11, day, 9, tzinfo=UTC), 0, category, amount)
            for day, category, amount in entries
        ],
    )
    shop.load(AUTUMN)
    kept_by_day = [(day, gross + contra) for day, gross, contra, _, _ in shop.daily(FIGURES)]
    assert [row for row in kept_by_day if row[1]] == near(
        (date(2026, 11, 2), 15.0),
        (date(2026, 11, 3), -10.0),
        (date(2026, 11, 9), -15.0),
        (date(2026, 11, 10), 10.0),
    )


@pytest.mark.quick("filesystem")
def test_connected_accounts_are_read_by_configuration(shop: Shop) -> None:
    at = datetime(2026, 11, 10, 9, tzinfo=UTC)
    shop.offer("main", [transaction(at, 0, "charge", 1500)])
    shop.offer("main/acct_1", [transaction(at, 1, "charge", 800)])
    shop.commands.set({"SOURCES__STRIPE__CONNECTED": '{"shop": "acct_1"}'})
    shop.load(AUTUMN)
    found = shop.published("account, gross", "order by account")
    assert [(account, float(gross)) for account, gross in found] == [("main", 15.0), ("shop", 8.0)]
    shop.configure("eu", "us")
    ran = shop.commands("load", "stripe")
    assert ran.status == 2
    assert "as eu/acct_123" in " ".join(ran.err.split())


@pytest.mark.thorough
def test_an_amount_of_0_needs_no_rate(shop: Shop) -> None:
    shop.offer("main", case("stripe_movement_without_rate"))
    shop.load(AUTUMN)
    assert shop.daily("date, fees, revenue_net, margin") == near(
        (date(2026, 11, 10), 3.20, 96.80, 96.80),
        (date(2026, 11, 11), 6.10, 193.90, 193.90),
        (date(2026, 11, 12), 9.00, 291.00, 291.00),
    )
    assert shop.commands.named("revenue_rate") == []


@pytest.mark.thorough
def test_a_fee_of_a_movement_without_a_rate_is_named(shop: Shop) -> None:
    at = datetime(2026, 11, 10, 9, tzinfo=UTC)
    shop.offer("main", [transaction(at, 0, "payout", -5000, 25, "aed")])
    shop.load(AUTUMN)
    assert shop.daily("fees") == [(None,)]
    assert [row[1] for row in shop.commands.named("revenue_rate")] == ["AED"]


@pytest.mark.quick("filesystem")
def test_a_line_of_the_configuration_classifies_a_new_category(shop: Shop) -> None:
    at = datetime(2026, 11, 10, 9, tzinfo=UTC)
    shop.offer("main", [transaction(at, 0, "new_thing", 5000)])
    shop.load(AUTUMN)
    assert shop.published("class") == [("unclassified",)]
    assert shop.commands.named("stripe_unclassified") != []
    shop.commands.set({"SOURCES__STRIPE__CATEGORIES": '{"new_thing": "revenue"}'})
    if shop.config is None:
        shop.commands.well("normalize", marts=True)
    else:
        migrate(shop.config, TAGS)
    assert shop.published("class") == [("revenue",)]
    assert shop.daily("revenue_gross") == [(50.0,)]
    assert shop.commands.named("stripe_unclassified") == []


def test_a_class_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__STRIPE__CATEGORIES", '{"new_thing": "income"}')
    with pytest.raises(ConfigurationError, match=r"categories\.new_thing is 'income'. Set it to"):
        categories()


@pytest.mark.quick("filesystem")
def test_the_parts_of_a_fee_reach_raw(shop: Shop) -> None:
    (row,) = (r for r in case("stripe_connect_destination") if r["id"] == "txn_c1")
    parts = {"stripe_fee": 30, "application_fee": 20, "tax": 6, "withheld_tax": 2, "new_fee": 1}
    details = [{"type": kind, "amount": n, "currency": "usd"} for kind, n in parts.items()]
    shop.offer("main", [row | {"fee_details": details}])
    shop.load(AUTUMN)
    columns = ["fee", "fee_stripe", "fee_application", "fee_tax"]
    if shop.config:
        sql = f"select {', '.join(columns)} from stripe__balance_transactions"
        assert query(shop.config, sql) == [(59, 31, 20, 8)]
        return
    (path,) = shop.commands.data.glob("stripe/balance_transactions/*/*.parquet")
    assert pq.ParquetFile(path).read(columns).to_pylist() == [
        dict(zip(columns, (59, 31, 20, 8), strict=True))
    ]


def test_a_ledger_without_fee_details_has_no_parts() -> None:
    (row,) = (r for r in case("stripe_connect_destination") if r["id"] == "txn_c1")
    del row["fee_details"]
    assert [
        keep_allowed(row, "main")[name] for name in ("fee_stripe", "fee_application", "fee_tax")
    ] == [
        None,
        None,
        None,
    ]
