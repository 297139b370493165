"""The checks of revenue: silent on a good ledger, each names what is wrong with a bad one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.providers.stripe_ledgers import NOW, mart, rows, served


def test_each_check_names_its_own_trouble(commands: Commands) -> None:
    old = rows(("charge", 100, 3, "usd"), at=NOW - timedelta(days=34))
    bad = rows(
        ("new_thing", 100, 0, "usd"), ("charge", 100, 3, "eur"), ("payout", -1, 0, "eur"),
    )  # fmt: skip
    odd = rows(("charge", 100, 3, "xts"), at=NOW - timedelta(days=1))
    wrong = [rows(("charge", 100, 3, "usd"), at=NOW - timedelta(hours=1))[0] | {"net": 90}]
    with served(*old, *bad, *odd, *wrong) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", marts=True)
    ran = commands("check")
    found = set(re.findall(r"^(\w+): one row per", ran.out, re.MULTILINE))
    assert (ran.status, found) == (
        1,
        {
            "revenue_rate",
            "stripe_conservation",  # 90 of a currency without an exponent is published as nothing
            "stripe_net",
            "stripe_pending",
            "stripe_unclassified",
            "stripe_unknown_currency",
        },
    )


@pytest.mark.thorough
def test_a_good_ledger_passes_every_check(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"), ("payout", -97, 0, "usd"))) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", "check", marts=True)


@pytest.mark.thorough
def test_days_without_revenue_or_cost_are_rows_of_zeros(
    commands: Commands, aws_bucket: FolderBucket
) -> None:
    deliver(aws_bucket.root, "2026-09", [8.0, 2.0])
    sale = datetime(2026, 10, 9, 12, tzinfo=UTC)
    with served(*rows(("charge", 10_000, 500, "usd"), at=sale)) as server:
        commands.set(server.environ)
        commands.read_from(aws_bucket.url)
        commands.well("load", "normalize", marts=True)
    found = mart(
        commands, "margin_daily", "date, revenue_net, cost_billed, cost_billed_aws", "order by 1"
    )
    days = [row[0] for row in found]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert (days[0].month, days[-1]) == (9, sale.date())
    assert sum(row[2] for row in found) == sum(row[3] for row in found) == 10.0
    assert [row[1:] for row in found if row[1]] == [(95.0, 0.0, 0.0)]
    assert (0.0, 0.0, 0.0) in [row[1:] for row in found]
