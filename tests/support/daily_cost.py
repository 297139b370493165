"""Rows of `costs_daily`, and the marts over them on DuckDB or ClickHouse."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.tables import daily
from pipelines.tables.ddl import column_block
from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import mart_columns

TAGS = ("Environment", "Team")
Query = Callable[[str], list[tuple[Any, ...]]]
Row = dict[str, Any]
_RATE = "(rate_date, currency, units_per_eur)"
_USED = ("fx_rates", "reporting_rates", "cost_anomalies", "budgets", "cost_allocated", "unit_cost")
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


@contextmanager
def marts_over(
    rows: Sequence[Row], config: ClickHouseConfig | None, rates: Sequence[str] = ()
) -> Iterator[Query]:
    """Queries of the marts over these rows; `rates` are values of normalized_fx's first columns."""
    names = sorted({name for row in rows for name in row})
    values = ", ".join(f"({', '.join(_literal(row.get(n)) for n in names)})" for row in rows)
    insert = f"insert into costs_daily ({', '.join(names)}) values {values}"
    if config:
        with _database(config) as manager:
            manager.execute(insert)
            for rate in rates:
                manager.execute(f"insert into normalized_fx {_RATE} values {rate}")
            yield lambda sql: [tuple(row) for row in manager.execute(sql)]
        return
    with duckdb.connect() as duck:
        duck.register("shape", arrow_of(daily.daily_columns(TAGS)).empty_table())
        duck.register("revenue", arrow_of(mart_columns(TAGS)["revenue"]).empty_table())
        duck.execute("create table costs_daily as from shape")
        duck.execute(insert)
        columns = "rate_date date, currency text, units_per_eur decimal(38, 9)"
        duck.execute(f"create table normalized_fx ({columns})")
        for rate in rates:
            duck.execute(f"insert into normalized_fx values {rate}")
        for statement in _views():
            duck.execute(statement)
        yield lambda sql: duck.execute(sql).fetchall()


@contextmanager
def _database(config: ClickHouseConfig) -> Iterator[ClickHouseManager]:
    """A database of its own with what the marts read, without rows, and the marts."""
    scratch = config.with_database(f"daily_{secrets.token_hex(6)}")
    names = "costs_daily", "revenue", "normalized_fx"
    tables = {name: column_block(name, TAGS) for name in names}
    with ClickHouseManager(config) as server:
        server.execute(f"create database {scratch.database}")
        try:
            with ClickHouseManager(scratch) as manager:
                for name, columns in tables.items():
                    manager.execute(f"create table {name} ({columns}) engine = Memory")
                for statement in _views():
                    manager.execute(statement)
                yield manager
        finally:
            server.execute(f"drop database {scratch.database} sync")


def _views() -> list[str]:
    return [
        f"create view {mart.name} as {mart.select}"
        for mart in mart_selects(SQL, TAGS)
        if mart.name in _USED
    ]


def _counts() -> list[str]:
    return [daily.WITHOUT_COST, *map(daily.without, daily.COSTS)]


def _literal(value: object) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, (int, float)) else f"'{value}'"
