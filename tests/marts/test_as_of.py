"""Headlines count whole days: which day each source has reached, and what is compared with what."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.schema.settle import settled_day
from pipelines.core.partition import ConfigurationError
from tests.support.marts.cost_marts import (
    CostMarts,
    at_noon,
    cost_marts,
    delivered,
    steady,
    usage,
)
from tests.support.marts.engines import Row

Marts = Callable[..., AbstractContextManager[CostMarts]]
FIRST, NOVEMBER, TENTH = date(2026, 10, 1), date(2026, 11, 1), date(2026, 11, 10)
LATE = delivered(at_noon(date(2026, 11, 29)), "2026-09", "2026-10", "2026-11")
GOOGLE = {"x_source": "gcp", "provider_name": "Google Cloud", "service_name": "Engine"}


@pytest.fixture(params=["filesystem", "clickhouse"])
def marts(request: pytest.FixtureRequest) -> Marts:
    server = None
    if request.param == "clickhouse":
        server = request.getfixturevalue("clickhouse_server")
    return partial(cost_marts, clickhouse=server)


def google(first: date, last: date, cost: float = 100.0, **columns: Any) -> list[Row]:
    """Steady cost of Google's, a partition per export day."""
    return [
        row | {"x_partition": f"{row['x_usage_date']}"}
        for row in steady(first, last, cost, **{**GOOGLE, **columns})
    ]


def exported(last: date, at: datetime) -> list[Row]:
    """Google's export days of October and later, each at noon of the next day; the last at `at`."""
    days = [FIRST + timedelta(days=n) for n in range((last - FIRST).days)]
    found = [d for day in days for d in delivered(at_noon(day + timedelta(days=1)), f"{day}")]
    found = [each | {"word": "gcp"} for each in found]
    return found + delivered(at, f"{last}", source="gcp")


def headline(mart: CostMarts) -> dict[str, Any]:
    """What the first screen says."""
    row = mart.newest()
    change = row["compared_billed"] / row["previous_billed"] - 1
    names = ("as_of", "month_state", "billed", "previous_billed", "projected_billed")
    return {name: row[name] for name in names} | {"change": pytest.approx(change)}


STEADY = {
    "as_of": TENTH,
    "month_state": "open",
    "billed": 1000.0,
    "previous_billed": 1000.0,
    "projected_billed": pytest.approx(3000.0),
    "change": 0.0,
}
TWICE = STEADY | {
    "billed": 2000.0,
    "previous_billed": 2000.0,
    "projected_billed": pytest.approx(6000.0),
}


def through(mart: CostMarts) -> dict[str, tuple[str, date | None]]:
    """Each source's state and last whole day."""
    rows = mart.table("complete_through")
    return {row["source"]: (row["state"], row["complete_through"]) for row in rows}


@pytest.mark.quick("filesystem-later")
@pytest.mark.parametrize(
    "at", [datetime(2026, 11, 11, 3, tzinfo=UTC), at_noon(date(2026, 11, 29))], ids=["now", "later"]
)
def test_three_hours_of_a_new_day_change_nothing(marts: Marts, at: datetime) -> None:
    """Also where the delivery tells no time, as of a copied file: the day costs too little."""
    day = TENTH if at.day == 29 else date(2026, 11, 9)
    rows = [*steady(FIRST, TENTH), usage(date(2026, 11, 11), 12.5, x_lines=3)]
    with marts(rows, delivered(at, "2026-10", "2026-11")) as mart:
        found = headline(mart)
        assert mart.newest()["later_billed"] == pytest.approx(12.5 + 100 * (10 - day.day))
    so_far = {"as_of": day, "billed": 100.0 * day.day, "previous_billed": 100.0 * day.day}
    assert found == STEADY | so_far


@pytest.mark.quick("filesystem")
def test_a_cloud_a_day_ahead_changes_nothing(marts: Marts) -> None:
    rows = [*steady(FIRST, TENTH), *google(FIRST, date(2026, 11, 11))]
    with marts(rows, LATE + exported(date(2026, 11, 11), at_noon(date(2026, 11, 29)))) as mart:
        assert headline(mart) == TWICE
        assert through(mart) == {"aws": ("live", TENTH), "gcp": ("live", date(2026, 11, 11))}
        assert mart.newest()["later_billed"] == 100.0


@pytest.mark.quick("filesystem")
def test_plans_billed_ahead_are_no_progress_of_the_month(marts: Marts) -> None:
    fees = steady(
        NOVEMBER, date(2026, 11, 30), 1.0, charge_category="Purchase", charge_frequency="Recurring"
    )
    with marts([*steady(FIRST, TENTH), *fees], LATE) as mart:
        assert headline(mart) == STEADY | {
            "billed": 1010.0,
            "projected_billed": pytest.approx(3030.0),
            "change": pytest.approx(0.01),
        }
        assert mart.newest()["later_billed"] == 20.0


@pytest.mark.quick("filesystem")
def test_a_month_that_one_cloud_has_begun_is_not_the_newest(marts: Marts) -> None:
    rows = [*steady(date(2026, 9, 1), date(2026, 10, 31)), *google(FIRST, date(2026, 11, 2))]
    with marts(rows, LATE + exported(date(2026, 11, 2), at_noon(date(2026, 11, 29)))) as mart:
        newest = mart.newest()
        assert [row["month"] for row in mart.table("cost_overview")] == [date(2026, 9, 1), FIRST]
    assert (newest["as_of"], newest["month_state"]) == (date(2026, 10, 31), "whole")
    assert (newest["billed"], newest["projected_billed"]) == (6200.0, 6200.0)
    # Google has no September to compare with
    assert (newest["compared_billed"], newest["previous_billed"]) == (3100.0, 3000.0)
    assert newest["later_billed"] == 200.0


@pytest.mark.quick("filesystem")
def test_a_source_dead_for_weeks_is_named_and_not_waited_for(marts: Marts) -> None:
    dead = [*google(FIRST, date(2026, 10, 12))]
    history = LATE + exported(date(2026, 10, 12), at_noon(date(2026, 10, 14)))
    with marts([*steady(FIRST, TENTH), *dead], history) as mart:
        assert through(mart)["gcp"] == ("stopped", date(2026, 10, 12))
        assert headline(mart) == STEADY
        states = {row["month"]: row["month_state"] for row in mart.table("cost_overview")}
    assert states == {FIRST: "partial", NOVEMBER: "open"}


@pytest.mark.quick("filesystem")
def test_usage_by_the_month_is_whole_when_the_month_is(marts: Marts) -> None:
    monthly = [usage(day, 3000.0, x_spans_days=True) for day in (date(2026, 9, 1), FIRST, NOVEMBER)]
    with marts(monthly, LATE) as mart:
        assert through(mart) == {"aws": ("live", date(2026, 10, 31))}
        newest = mart.newest()
    assert (newest["month"], newest["month_state"], newest["billed"]) == (FIRST, "whole", 3000.0)
    assert (newest["projected_billed"], newest["later_billed"]) == (3000.0, 3000.0)
    with marts(
        [*monthly, *google(FIRST, TENTH)], LATE + exported(TENTH, at_noon(date(2026, 11, 29)))
    ) as mart:
        assert through(mart)["aws"] == ("monthly", date(2026, 10, 31))
        assert headline(mart) == STEADY


@pytest.mark.quick("filesystem")
def test_days_that_were_never_read_are_not_compared(marts: Marts) -> None:
    """A load with --from, or `prune`, cut October: from the 4th on both months have the days."""
    cut = date(2026, 10, 4)
    rows = google(cut, TENTH)
    with marts(rows, exported(TENTH, at_noon(date(2026, 11, 29)))) as mart:
        assert headline(mart) | {"billed": 1000.0} == STEADY | {"previous_billed": 700.0}
        newest = mart.newest()
        october, _ = mart.table("cost_overview")
    assert newest["compared_billed"] == 700.0
    assert (october["month_state"], october["is_partial"]) == ("partial", 1)


@pytest.mark.quick("filesystem")
def test_the_first_day_of_a_month_is_compared_with_one_day(marts: Marts) -> None:
    with marts(steady(FIRST, NOVEMBER), LATE) as mart:
        found = headline(mart)
    so_far = {"as_of": NOVEMBER, "billed": 100.0, "previous_billed": 100.0}
    assert found == STEADY | so_far


@pytest.mark.quick("filesystem")
def test_movers_compare_the_days_of_the_headline(marts: Marts) -> None:
    rows = [*steady(FIRST, TENTH), *google(NOVEMBER, date(2026, 11, 11))]
    with marts(rows, LATE + exported(date(2026, 11, 11), at_noon(date(2026, 11, 29)))) as mart:
        movers = [row for row in mart.table("cost_movers") if row["is_newest"]]
    names = ("id", "as_of", "month_state", "billed", "previous_billed", "change_billed")
    assert [tuple(row[name] for name in names) for row in movers if row["kind"] == "service"] == [
        ("Compute", TENTH, "open", 1000.0, 1000.0, 0.0),
        ("Engine", TENTH, "open", 1000.0, 0.0, None),  # new: there is nothing to compare
    ]


@pytest.mark.quick("filesystem")
def test_untagged_usage_is_counted_by_key_and_overall(marts: Marts) -> None:
    rows = [
        usage(TENTH, 60.0, tag_team="shop", tag_environment="prod"),
        usage(TENTH, 30.0, tag_team="shop"),
        usage(TENTH, 10.0, service_name="Storage"),
        usage(TENTH, -5.0, x_line_item_type="EdpDiscount"),
        usage(TENTH, 7.0, charge_category="Tax"),
        usage(date(2026, 11, 12), 9.0, charge_category="Purchase"),
    ]
    with marts(rows, LATE) as mart:
        found = mart.table("untagged", "tag_key, service_name")
        overview = mart.newest()
    names = ("tag_key", "service_name", "usage_effective", "untagged_effective")
    assert [tuple(row[name] for name in names) for row in found] == [
        ("(any)", "Compute", 90.0, 0.0),
        ("(any)", "Storage", 10.0, 10.0),
        ("tag_environment", "Compute", 90.0, 30.0),
        ("tag_environment", "Storage", 10.0, 10.0),
        ("tag_team", "Compute", 90.0, 0.0),
        ("tag_team", "Storage", 10.0, 10.0),
    ]
    assert (overview["usage_effective"], overview["untagged_effective"]) == (100.0, 10.0)


@pytest.mark.quick("filesystem")
def test_the_margin_by_source_has_a_row_for_each(marts: Marts) -> None:
    rows = [usage(TENTH, 60.0), *google(TENTH, TENTH, 15.0), usage(TENTH, 2.0, x_source="focus")]
    ledger = {"activity_date": TENTH, "x_source": "stripe", "class": "revenue"}
    ledger |= {"gross_reporting": Decimal(200), "fee_reporting": Decimal(6)}
    with marts(rows, LATE, revenue=[ledger]) as mart:
        found = mart.table("margin_by_source", "source")
    names = ("date", "source", "revenue_gross", "revenue_net", "cost_billed", "margin")
    assert [tuple(row[name] for name in names) for row in found] == [
        (TENTH, "aws", 0.0, 0.0, 60.0, -60.0),
        (TENTH, "focus", 0.0, 0.0, 2.0, -2.0),
        (TENTH, "gcp", 0.0, 0.0, 15.0, -15.0),
        (TENTH, "stripe", 200.0, 194.0, 0.0, 194.0),
    ]


@pytest.mark.quick("filesystem")
def test_amounts_are_in_the_reporting_currency(
    marts: Marts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A provider's rate to USD serves nothing else; what has no rate is counted."""
    rates = tmp_path / "rates.csv"
    head = "rate_date:date,currency:currency,units_per_eur:rate"
    rates.write_text(f"{head}\n2026-11-09,USD,1.25\n2026-11-09,CHF,0.5\n")
    monkeypatch.setenv("NORMALIZE__FX_RATES", str(rates))
    monkeypatch.setenv("NORMALIZE__REPORTING_CURRENCY", "EUR")
    rows = [
        usage(TENTH, 125.0),
        usage(TENTH, 40.0, billing_currency="CHF", x_currency_rate_usd=99.0),
        usage(TENTH, 20.0, billing_currency="EUR"),
        usage(TENTH, 3.0, billing_currency="JPY", x_lines=5),
    ]
    with marts(rows, LATE) as mart:
        found = mart.newest()
        movers = mart.table("cost_movers")
    assert (found["reporting_currency"], found["billed"]) == ("EUR", 200.0)
    assert found["line_items_without_rate"] == 5
    assert {(row["billed"], row["reporting_currency"]) for row in movers} == {(None, "EUR")}


def test_a_days_settle_time_is_configured_by_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__AWS__SETTLE_HOURS", "35.5")
    assert "when source = 'aws' then cast(delivered_at - interval 2130 minute" in settled_day()
    history = delivered(datetime(2026, 11, 12, 12, tzinfo=UTC), "2026-10", "2026-11")
    with cost_marts(steady(FIRST, date(2026, 11, 12)), history) as mart:
        assert through(mart) == {"aws": ("live", TENTH)}
    monkeypatch.setenv("SOURCES__AWS__SETTLE_HOURS", "0")
    with cost_marts(steady(FIRST, date(2026, 11, 12)), history) as mart:
        assert through(mart) == {"aws": ("live", date(2026, 11, 11))}
    monkeypatch.setenv("SOURCES__AWS__SETTLE_HOURS", "soon")
    with pytest.raises(ConfigurationError, match=r"settle_hours is .soon.\. Set it"):
        settled_day()
