"""Rows of `costs_daily`, and the marts over them on DuckDB or ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.tables import daily
from tests.support.marts.engines import Query, Row, marts_of

_USED = (
    "fx_rates",
    "reporting_rates",
    "complete_through",
    "cost_anomalies",
    "budgets",
    "cost_allocated",
    "unit_cost",
)
_RATE = ("rate_date", "currency", "units_per_eur")
_USUAL: Row = {
    "provider_name": "AWS",
    "charge_category": "Usage",
    "charge_frequency": "Usage-Based",
    "billing_currency": "USD",
    "x_spans_days": False,
    "x_source": "aws",
    "x_partition": "2026-10",
    "x_lines": 1,
}


def line(day: date, cost: float | None, **columns: object) -> Row:
    """A row of a day in USD, as billed and as effective cost."""
    without = {name: int(cost is None) for name in _counts()}
    costs = {"billed_cost": cost, "effective_cost": cost}
    return _USUAL | {"x_usage_date": day} | costs | without | columns


def marts_over(
    rows: Sequence[Row],
    config: ClickHouseConfig | None,
    rates: Sequence[tuple[date, str, str]] = (),
    delivered_at: datetime | None = None,
) -> AbstractContextManager[Query]:
    """Queries of the marts over these rows; of a rate its day, its currency, units of it a euro.

    Without a time of delivery the newest day is whole.
    """
    fx = [dict(zip(_RATE, (day, word, Decimal(units)), strict=True)) for day, word, units in rates]
    tables: dict[str, Sequence[Row]] = {"costs_daily": rows, "normalized_fx": fx}
    if delivered_at:
        delivery = {"word": "aws", "partition": "2026-10", "delivered_at": delivered_at}
        tables["deliveries"] = [delivery]
    return marts_of(tables, _USED, config)


def _counts() -> list[str]:
    return [daily.WITHOUT_COST, *map(daily.without, daily.COSTS)]
