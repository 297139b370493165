"""When a month of Stripe is final: pauses, accounts that are added, renamed and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pipelines.core import months
from pipelines.core.partition import Selection
from scripts.sandbox.stripe.ledger import transaction
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import NOW, Row
from tests.support.providers.stripe_shops import Shop, opened
from tests.support.published_clickhouse import query

pytestmark = pytest.mark.usefixtures("guarded")

CASES = ROOT / "tests" / "data" / "stripe" / "cases"
AUTUMN = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(params=["filesystem", "clickhouse"])
def shop(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Shop]:
    config = request.getfixturevalue("clickhouse") if request.param == "clickhouse" else None
    with opened(commands, config) as found:
        yield found


def daily(first: datetime, until: datetime) -> list[Row]:
    """A charge of 100.00 USD, fee 3.20, at 09:00 UTC of every day."""
    days = range((until - first).days + 1)
    made = (first.replace(hour=9) + timedelta(days=n) for n in days)
    return [transaction(at, 0, "charge", 10_000, 320) for at in made if at <= until]


def second_account() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = json.loads((CASES / "second_account.json").read_text())
    return found


@pytest.mark.thorough
def test_a_month_that_a_pause_cut_in_half_is_read_again(shop: Shop) -> None:
    first, paused = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 15, 12, tzinfo=UTC)
    shop.configure("main")
    shop.offer("main", daily(first, paused))
    shop.load(paused)
    assert shop.total("where x_partition = '2026-09'") == (15, Decimal(1500))
    assert shop.states()["2026-09"] == "current, open since 2026-09-15"
    assert [row[1] for row in shop.commands.named("unfinished_partitions")] == [
        "2026-08",
        "2026-09",
    ]
    shop.offer("main", daily(first, AUTUMN))
    shop.load(AUTUMN)
    assert shop.total("where x_partition = '2026-09'") == (30, Decimal(3000))
    assert shop.states()["2026-09"] == "current, final"
    assert shop.plan(AUTUMN) == ["2026-10", "2026-11"]


@pytest.mark.thorough
def test_a_reading_that_changes_nothing_makes_a_month_final_without_publishing_it(
    shop: Shop,
) -> None:
    quiet = daily(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 10, 12, tzinfo=UTC))
    shop.configure("main")
    shop.offer("main", quiet)
    shop.load(datetime(2026, 11, 4, tzinfo=UTC))
    assert shop.states()["2026-09"] == "current, open since 2026-11-04"
    before = shop.count_publishings()
    outcome = shop.load(datetime(2026, 11, 5, tzinfo=UTC))
    assert (outcome.loaded, shop.count_publishings()) == ([], before)
    assert shop.states()["2026-09"] == "current, final"
    assert "2026-09" not in shop.plan(AUTUMN)


@pytest.mark.quick("filesystem")
def test_an_account_that_is_added_later_gets_its_whole_history(shop: Shop) -> None:
    rows = second_account()
    shop.configure("eu")
    shop.offer("eu", rows["eu"])
    shop.load(AUTUMN)
    shop.configure("eu", "us")
    shop.offer("us", rows["us"])
    assert "us not read yet" in shop.states()["2026-03"]
    unread = [row[1:3] for row in shop.commands.named("unfinished_partitions")]
    assert ["2026-03", "us"] in unread
    shop.load(AUTUMN)
    assert shop.total("where account = 'us'") == (11, Decimal(1100))
    assert shop.total("where account = 'eu'") == (9, Decimal(450))
    assert shop.states()["2026-03"] == "current, final"
    assert shop.plan(AUTUMN) == ["2026-10", "2026-11"]


@pytest.mark.thorough
def test_a_dry_run_says_what_an_added_account_costs(shop: Shop) -> None:
    shop.configure("eu")
    shop.offer("eu", second_account()["eu"])
    shop.load(AUTUMN)
    shop.configure("eu", "us")
    shop.offer("us", second_account()["us"])
    ran = shop.commands("load", "stripe", "--dry-run")
    assert ran.status == 0
    assert "months of eu, us, in " in " ".join(ran.out.split())


@pytest.mark.thorough
def test_a_removed_account_keeps_what_is_published(shop: Shop) -> None:
    rows = second_account()
    shop.configure("eu", "us")
    shop.offer("eu", rows["eu"])
    shop.offer("us", rows["us"])
    shop.load(AUTUMN)
    shop.configure("us")
    late = transaction(AUTUMN - timedelta(days=1), 0, "charge", 700)
    shop.offer("us", [*rows["us"], late])
    shop.load(AUTUMN, Selection(force=True))
    assert shop.total("where account = 'eu'") == (9, Decimal(450))
    assert shop.total("where account = 'us'") == (12, Decimal(1107))
    said = shop.commands("load", "stripe", "--force").err
    assert "stripe: eu not configured any more" in " ".join(said.split())
    assert shop.states()["2026-11"].endswith("eu kept but not configured")
    shop.configure("eu", "us")
    assert {"2026-10", "2026-11"} <= set(shop.plan(AUTUMN))


@pytest.mark.thorough
def test_a_renamed_account_is_not_counted_twice(shop: Shop) -> None:
    rows = second_account()["eu"]
    shop.configure("main")
    shop.offer("main", rows)
    shop.load(AUTUMN)
    shop.configure("europe")
    shop.offer("europe", rows)
    shop.load(AUTUMN)
    assert shop.published("distinct account") == [("europe",)]
    assert set(shop.states().values()) == {"current, final", "current, open since 2026-11-29"}
    assert shop.total() == (9, Decimal(450))


@pytest.mark.quick("filesystem")
def test_a_month_that_loses_its_rows_stays_until_that_is_accepted(shop: Shop) -> None:
    month = f"{NOW:%Y-%m}"
    shop.configure("main")
    shop.offer("main", [transaction(NOW, n, "charge", 100) for n in range(10)])
    shop.load(NOW)
    shop.offer("main", [transaction(NOW, n, "charge", 100) for n in range(3)])
    for arguments in ((), ("--force",), ("--from", month, "--to", month)):
        ran = shop.commands("load", "stripe", *arguments)
        assert (ran.status, ran.out) == (
            0,
            "stripe: 0 loaded, 0 unchanged, 0 failed, 1 kept as published\n",
        )
    said = " ".join(ran.err.split())
    assert f"stripe {month}: 10 rows are published, and the provider now has 3" in said
    assert f"load stripe --from {month} --to {month} --accept-shrunk" in said
    assert shop.total()[0] == 10
    assert [row[1] for row in shop.commands.named("stale_partitions")] == [month]
    shop.commands.well("load stripe --accept-shrunk")
    if shop.config is None:
        shop.commands.well("normalize")
    assert shop.total()[0] == 3


@pytest.mark.quick("filesystem")
def test_small_restatements_are_published(shop: Shop) -> None:
    shop.configure("main")
    shop.offer("main", [transaction(NOW, n, "charge", 100) for n in range(10)])
    shop.load(NOW)
    shop.offer("main", [transaction(NOW, n, "charge", 100) for n in range(9)])
    shop.load(NOW)
    assert shop.total()[0] == 9
    shop.commands.set({"SOURCES__STRIPE__MAX_SHRINK": "0.1"})
    shop.offer("main", [transaction(NOW, n, "charge", 100) for n in range(8)])
    assert list(shop.load(NOW).kept) == [f"{NOW:%Y-%m}"]


@pytest.mark.thorough
def test_what_an_older_version_left_unfinished_is_read_again(shop: Shop) -> None:
    old = months.after(f"{NOW:%Y-%m}", -4)
    start = datetime.fromtimestamp(months.start_of(old), UTC)
    shop.configure("main")
    shop.offer("main", daily(start, start + timedelta(days=14)))
    shop.load(start + timedelta(days=14))
    forget_readings(shop)
    assert [row[1] for row in shop.commands.named("unfinished_partitions")] == [old]
    shop.offer("main", daily(start, start + timedelta(days=20, hours=12)))
    shop.commands.well("load stripe")
    if shop.config is None:
        shop.commands.well("normalize")
    assert shop.total()[0] == 21
    assert shop.commands.named("unfinished_partitions") == []


def forget_readings(shop: Shop) -> None:
    """As a destination of 0.1 is, which noted no reading."""
    if shop.config is None:
        (shop.commands.data / "stripe" / "_readings_balance_transactions.json").unlink()
        return
    query(shop.config, "truncate table readings")
