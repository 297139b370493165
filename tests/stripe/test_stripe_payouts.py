"""Which transactions are in which deposit: the mart `payouts` and its check, on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.stripe.ledger import Transaction, payout, payouts, transaction, transactions
from scripts.sandbox.stripe.server import KEY
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart
from tests.support.providers.stripe_shops import Shop, opened
from tests.support.published_clickhouse import compute_marts, query

pytestmark = pytest.mark.usefixtures("guarded")

MOMENT = datetime(2026, 10, 5, 9, tzinfo=UTC)
MONEY = "amount, gross, refunds, other, fees, transactions, reconciliation"


@pytest.fixture(params=["filesystem", "clickhouse"])
def shop(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Shop]:
    config = request.getfixturevalue("clickhouse") if request.param == "clickhouse" else None
    with opened(commands, config) as found:
        found.commands.set(found.server.environ)
        found.commands.set({"SOURCES__STRIPE__OBJECTS": json.dumps(["payouts"])})
        yield found


def load(shop: Shop) -> str:
    """The line about transactions of a load by the command; the marts are computed."""
    shop.commands.well("load stripe")
    lines = shop.commands("load", "stripe", "--force").out.splitlines()
    if shop.config is None:
        shop.commands.well("normalize", marts=True)
    return next(line for line in lines if line.startswith("stripe_payout_transactions"))


def published(shop: Shop, columns: str, rest: str = "order by arrival_date") -> list[Any]:
    if shop.config is None:
        return mart(shop.commands, "payouts", columns, rest)
    compute_marts(shop.config)
    return query(shop.config, f"select {columns} from payouts {rest}")


def made(number: int, category: str, amount: int, fee: int = 0, **of: Any) -> Transaction:
    return transaction(MOMENT + timedelta(days=of.pop("day", 0)), number, category, amount, fee)


def of_money(*amounts: str | None) -> tuple[Any, ...]:
    return tuple(None if each is None else Decimal(each) for each in amounts)


@pytest.mark.thorough
def test_a_payout_is_the_sum_of_its_transactions(shop: Shop) -> None:
    parts = [
        made(1, "charge", 10_000, 320),
        made(2, "charge", 5_000, 175),
        made(3, "refund", -1_000),
        made(4, "dispute", -2_000, 1_500),
        made(5, "fee", -250),
    ]
    own = made(6, "payout", -sum(row["net"] for row in parts))
    shop.server.offer("balance_transactions", [*parts, own, made(7, "charge", 999)])
    ids = [row["id"] for row in [*parts, own]]
    shop.server.offer_payouts([payout(own, ids)])
    load(shop)
    assert published(shop, MONEY) == [
        (*of_money("97.55", "150", "-10", "-20", "22.45"), 5, "reconciled")
    ]
    assert published(shop, "account, made_on, arrival_date, currency, status, is_automatic") == [
        ("main", date(2026, 10, 5), date(2026, 10, 7), "USD", "paid", True)
    ]
    assert shop.commands.named("stripe_payouts") == []


@pytest.mark.quick("filesystem")
def test_payouts_that_do_not_add_up_or_are_nobody_s_are_named(shop: Shop) -> None:
    charges = [made(n, "charge", 1_000, 50) for n in range(4)]
    owns = [made(n + 10, "payout", -950, day=n) for n in range(4)]
    lacking, manual, failed, waiting = (
        payout(owns[0], [owns[0]["id"]]),
        payout(owns[1], [], is_automatic=False),
        payout(owns[2], [owns[2]["id"], charges[2]["id"]], "failed"),
        payout(owns[3], [owns[3]["id"]]),
    )
    waiting.object["reconciliation_status"] = "in_progress"
    shop.server.offer("balance_transactions", [*charges, *owns])
    shop.server.offer_payouts([lacking, manual, failed, waiting])
    load(shop)
    known = of_money("9.5", "10", "0", "0", "0.5")
    unknown = (*of_money("9.5", None, None, None, None), None)
    assert published(shop, MONEY) == [
        (*of_money("9.5", "0", "0", "0", "0"), 0, "differs"),
        (*unknown, "manual"),
        (*known, 1, "failed"),
        (*unknown, "in progress"),
    ]
    named = [row[-1] for row in shop.commands.named("stripe_payouts")]
    assert named == ["differs", "manual", "failed", "in progress"]
    asked = [target for target in shop.server.seen if "payout=" in target]
    assert not any(manual.object["id"] in target for target in asked)


@pytest.mark.thorough
def test_only_months_with_a_changed_payout_are_read_again(shop: Shop) -> None:
    charges = [made(n, "charge", 1_000, 50, day=30 * n) for n in range(250)][:2]
    many = [made(n + 100, "charge", 10, 0, day=30) for n in range(230)]  # three pages
    owns = [
        made(1_000, "payout", -950),
        made(1_001, "payout", -950 - 2_300, day=30),
    ]
    first = payout(owns[0], [owns[0]["id"], charges[0]["id"]])
    second = payout(owns[1], [owns[1]["id"], charges[1]["id"], *(row["id"] for row in many)])
    shop.server.offer("balance_transactions", [*charges, *many, *owns])
    shop.server.offer_payouts([first, second])
    shop.commands.well("load stripe")
    assert len([t for t in shop.server.seen if "payout=" in t]) == 1 + 3
    shop.server.seen.clear()
    shop.commands.well("load stripe")
    assert [t for t in shop.server.seen if "payout=" in t] == []
    second.object["status"] = "failed"
    shop.server.offer_payouts([first, second])
    shop.commands.well("load stripe")
    asked = [t for t in shop.server.seen if "payout=" in t]
    assert {second.object["id"] in target for target in asked} == {True}
    if shop.config is None:
        shop.commands.well("normalize", marts=True)
    assert published(shop, "transactions, reconciliation") == [(1, "reconciled"), (231, "failed")]


@pytest.mark.thorough
def test_the_sandbox_s_automatic_payouts_add_up(shop: Shop) -> None:
    first, until = date(2026, 9, 1), datetime(2026, 10, 31, 12, tzinfo=UTC)
    shop.server.offer("balance_transactions", transactions(first, until))
    shop.server.offer_payouts(payouts(first, until).values(), KEY)
    load(shop)
    found = published(shop, "reconciliation, count(*)", "group by reconciliation order by 1")
    assert found == [("failed", 2), ("reconciled", 8)]
    (row,) = published(shop, "sum(amount), sum(gross + refunds + other - fees)",
                       "where reconciliation = 'reconciled'")  # fmt: skip
    assert row[0] == row[1] > 0


@pytest.mark.thorough
def test_payouts_keep_the_bank_account_out(
    commands: Commands, clickhouse: ClickHouseConfig
) -> None:
    with opened(commands, None) as shop:
        commands.set(shop.server.environ)
        commands.set({"SOURCES__STRIPE__OBJECTS": json.dumps(["payouts"])})
        own = made(1, "payout", -950)
        shop.server.offer("balance_transactions", [own])
        shop.server.offer_payouts([payout(own, [own["id"]])])
        commands.well("load", "normalize", marts=True)
        written = b"".join(p.read_bytes() for p in commands.data.rglob("*") if p.is_file())
        assert (b"ba_1" in written, b"osen" in written) == (False, False)
