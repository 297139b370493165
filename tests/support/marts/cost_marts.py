"""Days of cost that a test makes up, and the cost marts over them, on either engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.marts.engines import Query, Row, marts_of

MARTS = (
    "fx_rates",
    "reporting_rates",
    "partial_months",
    "complete_through",
    "month_sources",
    "cost_days",
    "cost_projection",
    "cost_overview",
    "cost_movers",
    "untagged",
    "cost_changes",
    "margin_by_source",
)
_USAGE: Row = {
    "x_source": "aws",
    "billing_currency": "USD",
    "charge_category": "Usage",
    "charge_frequency": "Usage-Based",
    "x_spans_days": False,
    "service_name": "Compute",
    "provider_name": "AWS",
    "sub_account_id": "main",
    "x_line_item_type": "Usage",
    "x_lines": 24,
}


def usage(day: date, cost: float, **columns: Any) -> Row:
    """A row of costs_daily: a day's usage in USD, or what `columns` make of it."""
    row = _USAGE | {"x_usage_date": day, "x_partition": f"{day:%Y-%m}"}
    row |= dict.fromkeys(("billed_cost", "effective_cost", "list_cost"), cost)
    return row | columns


def steady(first: date, last: date, cost: float = 100.0, **columns: Any) -> list[Row]:
    """The same usage on every day."""
    days = (last - first).days + 1
    return [usage(first + timedelta(days=n), cost, **columns) for n in range(days)]


def delivered(at: datetime, *partitions: str, source: str = "aws") -> list[Row]:
    """The partitions, as the provider had written them at a moment."""
    return [
        {"word": source, "partition": each, "delivered_at": at, "published_at": at}
        for each in partitions
    ]


def at_noon(day: date) -> datetime:
    """A moment of a day, in UTC."""
    return datetime.combine(day, time(12), UTC)


@dataclass
class CostMarts:
    """Both tables that the marts read, and the marts over them."""

    engine: str
    query: Query

    def table(self, mart: str, order: str = "1") -> list[Row]:
        """A mart's rows."""
        names = [row[0] for row in self.query(f"describe {mart}")]
        columns = ", ".join(f'"{name}"' for name in names)
        found = self.query(f"select {columns} from {mart} order by {order}")
        return [dict(zip(names, row, strict=True)) for row in found]

    def newest(self) -> Row:
        """The headline: the row of the newest month."""
        (row,) = [row for row in self.table("cost_overview") if row["is_newest"]]
        return row


@contextmanager
def cost_marts(
    rows: Sequence[Row],
    deliveries: Sequence[Row],
    revenue: Sequence[Row] = (),
    clickhouse: ClickHouseConfig | None = None,
) -> Iterator[CostMarts]:
    """The marts on DuckDB, or in a database of their own on the server."""
    given = {"costs_daily": rows, "deliveries": deliveries, "revenue": revenue}
    with marts_of(given, MARTS, clickhouse) as query:
        yield CostMarts("clickhouse" if clickhouse else "duckdb", query)
