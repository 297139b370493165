"""The columns of a table as ClickHouse's `create table` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.schema import Column, Type
from pipelines.tables.shapes import published_tables

_TYPES: Mapping[Type, str] = {
    "text": "String",
    "number": "Float64",
    "integer": "Int64",
    "decimal": "Decimal(38, 9)",
    "boolean": "Bool",
    "timestamp": "DateTime64(6, 'UTC')",
    "date": "Date32",
    "map": "Map(LowCardinality(String), String)",
    "amounts": "Map(LowCardinality(String), Float64)",
}


def tables(tag_columns: Sequence[str]) -> dict[str, Sequence[Column]]:
    """Every table and view with declared columns, by its name in ClickHouse."""
    lists = {name: each.columns for name, each in RAW_LISTS.items()}
    return published_tables(tag_columns) | lists


def column_block(table: str, tag_columns: Sequence[str]) -> str:
    """One line per column. Raises ValueError for a table without declared columns."""
    declared = tables(tag_columns).get(table)
    if declared is None:
        raise ValueError(f"No columns are declared for {table}. Add them to pipelines/tables.")
    defaults = {"x_form": RAW_LISTS[table].layout} if table in RAW_LISTS else {}
    return ",\n".join(
        f"    `{column.name}` {clickhouse_type(column)}"
        f"{_default(defaults.get(column.name, ''))} comment {_literal(column.meaning)}"
        for column in declared
    ).lstrip()


def clickhouse_type(column: Column) -> str:
    """Text is LowCardinality, unless it has many distinct values."""
    base = _TYPES[column.type]
    kind = f"Nullable({base})" if column.nullable else base
    is_low = column.type == "text" and not column.many
    return f"LowCardinality({kind})" if is_low else kind


def _default(text: str) -> str:
    return f" default {_literal(text)}" if text else ""


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
