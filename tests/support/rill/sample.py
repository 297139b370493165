"""Seeded rows for tables that the demo's bills do not fill, the same on both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.docs.rill_columns import path_of

FILLED = (
    "revenue",
    "margin_daily",
    "margin_by_source",
    "margin_by_product",
    "trades",
    "trades_daily",
    "cost_anomalies",
    "budgets",
    "unit_cost",
    "reconciliation",
    "platform_cost",
)
_WORDS = {
    "class": ["revenue", "contra", "dispute", "fee", "movement", "unclassified"],
    "level": ["instrument", "expiry"],
    "direction": ["buy", "sell"],
    "kind": ["option", "future"],
    "reporting_currency": ["USD"],
    "verdict": ["agrees", "explained", "open"],
}
_CLICKHOUSE = {"timestamp[us, tz=UTC]": "DateTime64(6, 'UTC')", "date32[day]": "Date32"} | {
    "string": "String",
    "int64": "Int64",
    "double": "Float64",
    "decimal128(38, 9)": "Decimal(38, 9)",
    "bool": "Bool",
}


def rows(table: str, schema: pa.Schema, count: int = 120) -> pa.Table:
    """A table of seeded rows; a tenth of what may be NULL is."""
    random = Random(table)
    return pa.Table.from_pylist(
        [{field.name: _value(field, random) for field in schema} for _ in range(count)], schema
    )


def _value(field: pa.Field, random: Random) -> Any:
    if field.nullable and field.name not in ("date", "trade_date") and random.random() < 0.1:
        return None
    if words := _WORDS.get(field.name):
        return random.choice(words)
    day = date(2026, 9, 20) + timedelta(days=random.randrange(25))
    made: Mapping[str, Callable[[], Any]] = {
        "string": lambda: f"{field.name} {random.randrange(4)}",
        "int64": lambda: random.randrange(50),
        "double": lambda: random.randrange(-400, 4000) / 8,
        "decimal128(38, 9)": lambda: Decimal(random.randrange(-4000, 90000)) / 100,
        "bool": lambda: random.random() < 0.5,
        "date32[day]": lambda: day,
        "timestamp[us, tz=UTC]": lambda: datetime(
            day.year, day.month, day.day, random.randrange(24), random.randrange(60), tzinfo=UTC
        ),
    }
    return made[str(field.type)]()


def as_parquet(table: str, data: pa.Table, folder: Path) -> None:
    """The rows where the filesystem destination has them."""
    path = (folder / path_of(table)).with_name("data.parquet")
    path.parent.mkdir(parents=True)
    pq.write_table(data, path)


def in_clickhouse(table: str, data: pa.Table, config: ClickHouseConfig) -> None:
    """The rows as a table of a database."""
    columns = ", ".join(f"`{field.name}` {_type(field)}" for field in data.schema)
    with ClickHouseManager(config) as manager:
        manager.execute(f"create table {table} ({columns}) engine = Memory")
    with connect(config) as client:
        client.insert_arrow(table, data)


def _type(field: pa.Field) -> str:
    kind = _CLICKHOUSE[str(field.type)]
    return f"Nullable({kind})" if field.nullable else kind
