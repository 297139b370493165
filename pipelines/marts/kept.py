"""Bring long hand-kept files, such as 100,000 rates, to the engine that computes the marts."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

import pyarrow as pa

from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.schema.values import KEPT, KeptTable, kept_tables
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.marts.catalogue import DuckConnection

_CLICKHOUSE = {
    "text": "String",
    "date": "Date",
    "number": "Float64",
    "currency": "String",
    "rate": "Decimal(38, 9)",
}
_ARROW = {
    "text": pa.string(),
    "date": pa.date32(),
    "number": pa.float64(),
    "currency": pa.string(),
    "rate": pa.decimal128(38, 9),
}
_THERE = "select name from system.tables where database = currentDatabase()"


def bring_to_clickhouse(manager: ClickHouseManager, selects: Iterable[str]) -> None:
    """Create those tables that the selects name; one is filled before it gets its name."""
    for table in _named(selects):
        if manager.execute(f"exists table {table.name}")[0][0]:
            continue
        made = f"_mart_{table.name}_{uuid4().hex[:8]}"
        columns = ", ".join(f"{name} {_CLICKHOUSE[kind]}" for name, kind in table.columns)
        manager.execute(f"create table {made} ({columns}) engine = MergeTree order by tuple()")
        manager.execute_many(f"insert into {made} values", table.rows)
        manager.execute(f"rename table {made} to {table.name}")


def drop_others(manager: ClickHouseManager, selects: Iterable[str]) -> None:
    """Drop the tables of files as they were before."""
    wanted = {name for select in selects for name in KEPT.findall(select)}
    for (name,) in manager.execute(_THERE):
        if KEPT.fullmatch(name) and name not in wanted:
            manager.execute(f"drop table if exists {name} sync")


def bring_to_duckdb(connection: DuckConnection, selects: Iterable[str]) -> None:
    """Create those tables that the selects name."""
    for table in _named(selects):
        names = [name for name, _ in table.columns]
        shape = pa.schema([(name, _ARROW[kind]) for name, kind in table.columns])
        rows = [dict(zip(names, row, strict=True)) for row in table.rows]
        connection.table(table.name, pa.Table.from_pylist(rows, shape))


def _named(selects: Iterable[str]) -> list[KeptTable]:
    """Read only when one is named: most projects have no long file."""
    names = {name for select in selects for name in KEPT.findall(select)}
    return [table for table in kept_tables(SQL) if table.name in names] if names else []
