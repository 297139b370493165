"""The marts over days of cost that a test makes up, on either engine: no provider, no loading."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.marts.catalogue import DuckConnection
from pipelines.tables import daily
from pipelines.tables.schema import arrow_of, deliveries_schema
from pipelines.tables.shapes import mart_columns
from tests.support.rill.sample import in_clickhouse

TAGS = ("Environment", "Team")
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
    "margin_by_source",
)
REVENUE = arrow_of(mart_columns(TAGS)["revenue"])
_RATES = pa.schema(
    [
        pa.field("rate_date", pa.date32(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("units_per_eur", pa.decimal128(38, 9), nullable=False),
    ]
)
_USAGE: dict[str, Any] = {
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
Row = dict[str, Any]


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
    query: Any

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
    tables = {
        "costs_daily": _table(arrow_of(daily.daily_columns(TAGS)), rows),
        "deliveries": _table(deliveries_schema(), deliveries),
        "normalized_fx": _RATES.empty_table(),
        "revenue": _table(REVENUE, revenue),
    }
    selects = [mart for mart in mart_selects(SQL, TAGS) if mart.name in MARTS]
    if clickhouse is None:
        connection = DuckConnection()
        for name, table in tables.items():
            connection.duck.register(name, table)
        connection.duck.execute("create view costs as select * from costs_daily")
        for mart in selects:
            connection.duck.execute(f"create view {mart.name} as {mart.select}")
        yield CostMarts("duckdb", lambda sql: connection.query(sql)[1])
        connection.duck.close()
        return
    scratch = clickhouse.with_database(f"marts_{secrets.token_hex(6)}")
    with ClickHouseManager(clickhouse) as manager:
        manager.execute(f"create database {scratch.database}")
        for name, table in tables.items():
            in_clickhouse(name, table, scratch)
        with ClickHouseManager(scratch) as server:
            server.execute("create view costs as select * from costs_daily")
            for mart in selects:
                server.execute(f"create view {mart.name} as {mart.select}")
            yield CostMarts("clickhouse", server.execute)
        manager.execute(f"drop database {scratch.database} sync")


def _table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    blank = {field.name: _blank(field) for field in schema}
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema)


def _blank(field: pa.Field) -> Any:
    """What a row has that does not say: nothing, or 0 where there has to be something."""
    if field.nullable:
        return None
    if pa.types.is_boolean(field.type):
        return False
    if pa.types.is_integer(field.type):
        return 0
    if pa.types.is_floating(field.type):
        return 0.0
    if pa.types.is_timestamp(field.type):
        return datetime(2026, 1, 1, tzinfo=UTC)
    return "" if pa.types.is_string(field.type) else None
