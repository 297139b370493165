"""Unusual cost: what is found of changes put into made-up cost, and each rule by an example."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.docs.anomalies import RULES, measure, services, table
from tests.support.marts.daily_cost import line, marts_over
from tests.support.marts.engines import Row

FIRST = date(2026, 7, 1)
DAYS = 100
FOUND = (
    "select dimension, value, direction, first_day, days, round(expected, 2), round(actual, 2), "
    "round(impact, 2) from cost_anomalies where dimension = 'service'"
)


def steady(service: str, changed: dict[int, float | None], **columns: Any) -> list[Row]:
    """100 a day, half of it at weekends, and other amounts on changed days."""
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    usual = [50.0 if day.weekday() > 4 else 100.0 for day in days]
    costs = [changed.get(number, cost) for number, cost in enumerate(usual)]
    return [
        line(day, cost, service_name=service, **columns)
        for day, cost in zip(days, costs, strict=True)
    ]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_nine_of_ten_rows_are_changes_and_eight_of_ten_changes_are_found() -> None:
    scores = measure(services())
    assert scores["all"].precision >= 0.9
    assert scores["all"].recall >= 0.8
    assert min(scores[each].precision for each in ("service", "account", "tag_team")) >= 0.9
    assert table(scores) in RULES.read_text(encoding="utf-8")


@pytest.mark.thorough
def test_other_made_up_cost_gives_like_scores() -> None:
    scores = measure(services(seed=17))
    assert scores["all"].precision >= 0.9
    assert scores["all"].recall >= 0.8


@pytest.mark.quick("filesystem")
def test_spikes_drops_and_new_levels_are_one_row_each(config: ClickHouseConfig | None) -> None:
    spike, drop = {70: 150.0, 71: 150.0}, {70: 60.0}  # a Wednesday and a Thursday
    level = {n: 200.0 if day(n).weekday() < 5 else 100.0 for n in range(70, DAYS)}
    rows = steady("spike", dict(spike)) + steady("drop", dict(drop)) + steady("level", dict(level))
    new = [row for row in steady("new", {}) if row["x_usage_date"] >= day(95)]
    with marts_over(rows + steady("calm", {}) + new, config) as query:
        found = {row[1]: row for row in query(FOUND)}
        assert len(query(FOUND)) == len(found)
    assert found["spike"] == ("service", "spike", "rise", day(70), 2, 200.0, 300.0, 100.0)
    assert found["drop"] == ("service", "drop", "drop", day(70), 1, 100.0, 60.0, -40.0)
    assert found["level"][2:4] == ("rise", day(70))
    assert 14 <= found["level"][4] <= 22
    assert found["new"][2:7] == ("rise", day(95), 5, 0.0, sum((100.0, 100.0, 100.0, 100.0, 50.0)))
    assert set(found) == {"spike", "drop", "level", "new"}


@pytest.mark.quick("filesystem")
def test_fees_unknown_cost_and_the_newest_day_are_not_changes(
    config: ClickHouseConfig | None,
) -> None:
    newest = {DAYS - 1: 4.0}  # three hours of it, with all of the day before
    delivered_at = datetime.combine(day(DAYS), time(3), UTC)
    monthly = {n: 900.0 for n in range(DAYS) if day(n).day == 1}
    fees = [
        line(day(80), 5000.0, service_name="calm", charge_frequency="Recurring"),
        line(day(81), 5000.0, service_name="calm", charge_category="Tax"),
        line(day(82), 5000.0, service_name="calm", x_spans_days=True),
    ]
    rows = steady("calm", dict(newest)) + steady("monthly", dict(monthly)) + fees
    unknown = steady("unknown", {90: None})
    with marts_over(rows + unknown, config, delivered_at=delivered_at) as query:
        assert query(FOUND) == []


@pytest.mark.quick("filesystem")
def test_amounts_are_in_the_reporting_currency(config: ClickHouseConfig | None) -> None:
    rows = steady("euros", {70: 300.0}, billing_currency="EUR")
    rates = [(day(number), "USD", "1.25") for number in range(0, DAYS, 5)]
    with marts_over(rows, config, rates) as query:
        (found,) = query(FOUND)
    assert found[5:] == (125.0, 375.0, 250.0)
