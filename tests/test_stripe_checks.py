"""The checks of revenue: silent on a good ledger, each names what is wrong with a bad one."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.commands import Commands
from tests.ledgers import NOW, rows, served


def test_each_check_names_its_own_trouble(commands: Commands) -> None:
    old = rows(("charge", 100, 3, "usd"), at=NOW - timedelta(days=34))
    bad = rows(
        ("new_thing", 100, 0, "usd"), ("charge", 100, 3, "eur"), ("payout", -1, 0, "eur"),
    )  # fmt: skip
    odd = rows(("charge", 100, 3, "xts"), at=NOW - timedelta(days=1))
    wrong = [rows(("charge", 100, 3, "usd"), at=NOW - timedelta(hours=1))[0] | {"net": 90}]
    with served(*old, *bad, *odd, *wrong) as server:
        commands.set(server.environ)
        commands.well("load", "normalize")
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


def test_a_good_ledger_passes_every_check(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"), ("payout", -97, 0, "usd"))) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", "check")
