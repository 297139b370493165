"""What a source's loads cost: ClickHouse Cloud's month, divided by what each of them took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.marts.cost_marts import usage
from tests.support.marts.engines import Row, marts_of

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def published(word: str, month: int, rows: int, cpu: float | None = None, **took: Any) -> Row:
    """A publishing that took 10 s of reading."""
    at = datetime(2026, month, 20, tzinfo=UTC)
    more = {"read_seconds": 10.0, "read_bytes": 100, "written_bytes": 50, "cpu_seconds": cpu}
    return {"word": word, "partition": "2026-09", "rows": rows, "published_at": at} | more | took


def of_platform(
    config: ClickHouseConfig | None, deliveries: Sequence[Row], cost: Sequence[Row]
) -> list[tuple[Any, ...]]:
    given = {"deliveries": deliveries, "costs_daily": cost}
    wanted = ("fx_rates", "reporting_rates", "platform_cost")
    with marts_of(given, wanted, config) as query:
        return list(query('select * from platform_cost order by "month", source'))


@pytest.mark.quick("filesystem")
def test_a_month_is_divided_by_processor_seconds_else_by_seconds(
    config: ClickHouseConfig | None,
) -> None:
    loads = [
        published("aws", 10, 1_500_000, 20.0),
        published("aws", 10, 500_000, 10.0, publish_seconds=2.0),
        published("stripe", 10, 0, 10.0),
        published("aws", 11, 1_000_000, 5.0),
        published("stripe", 11, 1_000),  # on files: no processor seconds
    ]
    cost = [
        usage(date(2026, month, day), 30.0, x_source="clickhouse_cloud")
        for month, day in ((10, 3), (10, 4), (11, 2))
    ]
    others = [usage(date(2026, 10, 3), 999.0, x_source="aws")]
    assert of_platform(config, loads, cost + others) == [
        (OCTOBER, "aws", "USD", 2, 2_000_000, 22.0, 30.0, 200, 100, 0.75, 45.0, 22.5),
        (OCTOBER, "stripe", "USD", 1, 0, 10.0, 10.0, 100, 50, 0.25, 15.0, None),
        (NOVEMBER, "aws", "USD", 1, 1_000_000, 10.0, 5.0, 100, 50, 0.5, 15.0, 15.0),
        (NOVEMBER, "stripe", "USD", 1, 1_000, 10.0, None, 100, 50, 0.5, 15.0, 15_000.0),
    ]


@pytest.mark.quick("filesystem")
def test_without_clickhouse_cloud_or_its_rate_the_cost_is_not_known(
    config: ClickHouseConfig | None,
) -> None:
    loads = [published("aws", 10, 1_000_000, 20.0), published("aws", 11, 1_000_000, 20.0)]
    unrated = usage(date(2026, 11, 2), 30.0, x_source="clickhouse_cloud", billing_currency="CHF")
    found = of_platform(config, loads, [unrated])
    assert [(row[0], *row[9:]) for row in found] == [
        (OCTOBER, 1.0, None, None),
        (NOVEMBER, 1.0, None, None),
    ]
