"""The second question about a final month: its count and sums, asked again, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.core import months
from pipelines.core.finality import ByLookback, final_from
from pipelines.core.partition import Selection
from pipelines.providers.stripe.calendar import LOOKBACK_DAYS
from pipelines.providers.stripe.month_totals import connect
from scripts.sandbox.stripe.ledger import Transaction, transaction
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import NOW
from tests.support.providers.stripe_shops import Shop, opened

pytestmark = pytest.mark.usefixtures("guarded")

THIS = f"{NOW:%Y-%m}"
OLD = [months.after(THIS, -n) for n in (6, 5, 4)]
NEWEST_FINAL = [
    month
    for month in months.between(OLD[0], THIS)
    if final_from(ByLookback((), LOOKBACK_DAYS), month) <= NOW
][-1]
"""Whose turn it is every day, of a ledger that begins with it."""


@pytest.fixture(params=["filesystem", "clickhouse"])
def shop(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Shop]:
    config = request.getfixturevalue("clickhouse") if request.param == "clickhouse" else None
    with opened(commands, config) as found:
        yield found


def begin() -> Transaction:
    """The first of the ledger."""
    first = datetime.fromtimestamp(months.start_of(NEWEST_FINAL), UTC)
    return transaction(first, 0, "charge", 7, 0, "jpy")


def charge(month: str, number: int, amount: int = 1_000) -> Transaction:
    at = datetime.fromtimestamp(months.start_of(month) + 3_600 * number, UTC)
    return transaction(at, number, "charge", amount, 59, "eur" if number % 2 else "usd")


def load(shop: Shop) -> str:
    ran = shop.commands("load", "stripe")
    assert ran.status == 0, ran
    if shop.config is None:
        shop.commands.well("normalize")
    return ran.out


def named(shop: Shop) -> list[list[Any]]:
    return shop.commands.named("stripe_month_totals")


@pytest.mark.thorough
def test_a_month_that_differs_from_what_stripe_has_is_named(shop: Shop) -> None:
    month = NEWEST_FINAL
    rows = [begin(), *(charge(month, number) for number in range(1, 7))]
    shop.configure("main")
    shop.offer("main", [*rows[:2], *rows[3:]])  # one that Stripe shows later
    assert "stripe_month_totals: 1 loaded" in load(shop)
    assert named(shop) == []
    shop.offer("main", rows)
    load(shop)
    assert [row[:5] for row in named(shop)] == [[month, "main", "usd", "3", "2"]]
    ran = shop.commands("load", "stripe", "--from", month)
    assert ran.status == 0
    load(shop)
    assert named(shop) == []
    shop.offer("main", [*rows[:-1], charge(month, 6, 1_001)])  # as many, another amount
    load(shop)
    assert [row[2:7] for row in named(shop)] == [["usd", "3", "3", "3,001", "3,000"]]


@pytest.mark.quick("filesystem")
def test_every_final_month_has_its_turn_and_open_ones_are_not_asked_for(shop: Shop) -> None:
    shop.configure("main")
    shop.offer("main", [charge(month, 1) for month in OLD] + [transaction(NOW, 9, "charge", 5)])
    load(shop)
    published = dict.fromkeys([*OLD, f"{NOW:%Y-%m}"], "a fingerprint")
    before = datetime.now(UTC)
    (planned,) = connect().partitions(published=published)
    today = {before.toordinal(), datetime.now(UTC).toordinal()}  # midnight may come between
    assert planned.key in {OLD[day % len(OLD)] for day in today}
    late = Selection(first=OLD[2])
    assert [each.key for each in connect().partitions(late, published)] == [OLD[2]]
    assert connect().partitions(published={f"{NOW:%Y-%m}": "a fingerprint"}) == []


@pytest.mark.thorough
def test_an_account_with_too_many_transactions_is_not_compared(shop: Shop) -> None:
    month = NEWEST_FINAL
    shop.commands.set({"SOURCES__STRIPE__SAMPLE_PAGES": "1"})
    shop.configure("big", "small")
    shop.offer("big", [begin(), *(charge(month, number) for number in range(1, 102))])
    shop.offer("small", [begin(), charge(month, 1)])
    load(shop)
    shop.offer("big", [begin(), *(charge(month, number) for number in range(1, 131))])
    shop.offer("small", [begin()])
    load(shop)
    assert [row[:5] for row in named(shop)] == [[month, "small", "eur", "0", "1"]]
    shop.commands.set({"SOURCES__STRIPE__SAMPLE_PAGES": "0"})
    assert "stripe_month_totals" not in load(shop)
