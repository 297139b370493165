"""The marts over tables that a test makes up, on either engine: no provider, no loading."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.marts.catalogue import DuckConnection
from pipelines.tables import daily
from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.schema import arrow_of, deliveries_schema
from pipelines.tables.shapes import arrow_shape, mart_columns
from tests.support.rill.sample import in_clickhouse

TAGS = ("Environment", "Team")
Row = dict[str, Any]
Query = Callable[[str], Sequence[tuple[Any, ...]]]

#: What marts read, and of it the columns that they read.
READ = {
    "costs_daily": arrow_of(daily.daily_columns(TAGS)),
    "deliveries": deliveries_schema(),
    "revenue": arrow_of(mart_columns(TAGS)["revenue"]),
    "normalized_fx": pa.schema(
        [
            pa.field("rate_date", pa.date32(), nullable=False),
            pa.field("currency", pa.string(), nullable=False),
            pa.field("units_per_eur", pa.decimal128(38, 9), nullable=False),
        ]
    ),
}
#: What only some marts read, and is there only when rows of it are given.
ALSO_READ = {name: arrow_of(each.columns) for name, each in RAW_LISTS.items()} | {
    "normalized_stripe": arrow_shape("stripe", ()),
}


@contextmanager
def marts_of(
    rows: Mapping[str, Sequence[Row]],
    marts: Collection[str],
    clickhouse: ClickHouseConfig | None = None,
) -> Iterator[Query]:
    """Queries of these marts over the rows of each table, on DuckDB or in a database of their own
    on the server. A table that is not named has no rows; `costs` is costs_daily. Each mart is
    computed once, from those before it, as a run does."""
    wanted = READ | {name: ALSO_READ[name] for name in rows if name not in READ}
    tables = {name: _table(schema, rows.get(name, ())) for name, schema in wanted.items()}
    engine = "" if clickhouse is None else "engine = Memory "
    made = ["create view costs as select * from costs_daily"] + [
        f"create table {mart.name} {engine}as {mart.select}"
        for mart in mart_selects(SQL, TAGS)
        if mart.name in marts
    ]
    with _on_duckdb(tables) if clickhouse is None else _on_clickhouse(tables, clickhouse) as query:
        for statement in made:
            query(statement)
        yield query


@contextmanager
def _on_duckdb(tables: Mapping[str, pa.Table]) -> Iterator[Query]:
    connection = DuckConnection()
    with connection.duck:
        for name, table in tables.items():
            connection.duck.register(name, table)
        yield lambda sql: [tuple(row) for row in connection.query(sql)[1]]


@contextmanager
def _on_clickhouse(tables: Mapping[str, pa.Table], server: ClickHouseConfig) -> Iterator[Query]:
    scratch = server.with_database(f"marts_{secrets.token_hex(6)}")
    with ClickHouseManager(server) as outside, ClickHouseManager(scratch) as manager:
        outside.execute(f"create database {scratch.database}")
        try:
            for name, table in tables.items():
                in_clickhouse(name, table, scratch)
            yield lambda sql: [tuple(row) for row in manager.execute(sql)]
        finally:
            outside.execute(f"drop database {scratch.database} sync")


def _table(schema: pa.Schema, rows: Sequence[Row]) -> pa.Table:
    assert {name for row in rows for name in row} <= {*schema.names}
    blank = {field.name: _blank(field) for field in schema}
    return pa.Table.from_pylist([blank | row for row in rows], schema)


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
