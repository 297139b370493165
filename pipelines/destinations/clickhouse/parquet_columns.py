"""Columns of landed parquet files as ClickHouse columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import Delivery, PartitionError
from pipelines.destinations.clickhouse.history import utc
from pipelines.destinations.layout import RawTable

# legacy parquet has a column per key instead of a map
_FLAT = {"resource_tags": "resource_tags_", "cost_category": "cost_category_"}

_TYPES = {
    "text": "Nullable(String)",
    "number": "Nullable(Float64)",
    "time": "Nullable(DateTime64(6, 'UTC'))",
    "bool": "Nullable(Bool)",
    "map of text": "Map(LowCardinality(String), String)",
    "map of number": "Map(LowCardinality(String), Float64)",
}
_NARROW = re.compile(r"Nullable\((?:Int64|Decimal\((?P<size>\d+, \d+)\))\)")
_DIGITS = 76  # of a Decimal in ClickHouse and of arrow's decimal256
_KINDS = {"S": "text", "E": "text", "F": "number", "I": "number", "U": "number", "B": "bool"}


@dataclass(frozen=True)
class Files:
    """The landed files of a delivery: each one's columns that have values, all columns by name with
    their types, and the rows of all."""

    filled: Mapping[Path, Sequence[str]]
    columns: Mapping[str, pa.DataType]
    rows: int


def inspect(paths: Sequence[Path], where: str) -> Files:
    """Read the footers. Raises PartitionError when two files disagree on a column's kind."""
    columns: dict[str, pa.DataType] = {}
    filled: dict[Path, Sequence[str]] = {}
    rows = 0
    for path in paths:
        rows += pq.read_metadata(path).num_rows
        schema = pq.read_schema(path)
        filled[path] = [field.name for field in schema if not pa.types.is_null(field.type)]
        for field in schema:
            known = columns.get(field.name, pa.null())
            common = _common(known, field.type)
            if common is None:
                raise PartitionError(
                    f"{where}: {field.name} is {known} in one file and {field.type} in another. "
                    "The published partition stays; ask the provider to deliver the period again."
                )
            columns[field.name] = common
    return Files(filled, columns, rows)


def new_columns(files: Files, have: Mapping[str, str], where: str) -> dict[str, str]:
    """The missing columns of raw, with their types. Raises PartitionError for a changed kind."""
    wrong = [
        f"{name} is {kind}, the table has {have[name]}"
        for name, kind in files.columns.items()
        if name in have and kind_of_arrow(kind) not in (kind_of_clickhouse(have[name]), "null")
    ]
    if wrong:
        raise PartitionError(
            f"{where}: {'; '.join(wrong)}. The published partition stays; ask the provider to "
            "deliver the period again."
        )
    return {
        name: clickhouse_type(kind, name, where)
        for name, kind in files.columns.items()
        if name not in have and not pa.types.is_null(kind)  # nothing in it: nothing to keep
    }


def wider_columns(files: Files, have: Mapping[str, str]) -> dict[str, str]:
    """The number columns of raw that must grow, with their new types.

    A delivery brings 5 and the next one 5.25: ClickHouse would cut the fraction off in silence.
    """
    found = {}
    for name, kind in files.columns.items():
        column = _NARROW.fullmatch(have.get(name, ""))
        if column and kind_of_arrow(kind) == "number":
            size = [int(digits) for digits in (column["size"] or "19, 0").split(", ")]
            wider = clickhouse_type(_wider(pa.decimal256(*size), kind), name, "")
            if not (column["size"] is None and pa.types.is_integer(kind)) and wider != have[name]:
                found[name] = wider
    return found


def maps_of_flat_columns(files: Files) -> dict[str, str]:
    """Maps made of a legacy report's columns by key, as the defaults of the map columns."""
    found = {}
    for column, prefix in _FLAT.items():
        names = [name for name in files.columns if name.startswith(prefix)]
        if column not in files.columns and names:
            pairs = ", ".join(
                f"{quoted(name.removeprefix(prefix))}, ifNull(`{name}`, '')" for name in names
            )
            found[column] = f"mapFilter((key, value) -> value != '', map({pairs}))"
    return found


def clickhouse_type(kind: pa.DataType, column: str, where: str) -> str:
    """The type of a new raw column. Raises PartitionError for one that has no counterpart."""
    if pa.types.is_decimal(kind):
        return f"Nullable(Decimal({kind.precision}, {kind.scale}))"
    if pa.types.is_integer(kind):
        return "Nullable(Int64)"
    found = _TYPES.get(kind_of_arrow(kind))
    if found is None:
        raise PartitionError(
            f"{where}: {column} is {kind}, which cannot be stored in ClickHouse. Leave the "
            "column out of the export's query."
        )
    return found


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A type that holds the values of both, None when they are of two kinds."""
    if pa.types.is_null(one) or one == other:
        return other
    if pa.types.is_null(other):
        return one
    if kind_of_arrow(one) != kind_of_arrow(other):
        return None
    return _wider(one, other) if kind_of_arrow(one) == "number" else one


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The number type that cuts no digit off values of either; double when one of them is."""
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return pa.int64()
    if pa.types.is_floating(one) or pa.types.is_floating(other):
        return pa.float64()
    sizes = [(19, 0) if pa.types.is_integer(t) else (t.precision, t.scale) for t in (one, other)]
    scale = max(scale for _, scale in sizes)
    precision = scale + max(precision - scale for precision, scale in sizes)
    return pa.decimal256(precision, scale) if precision <= _DIGITS else pa.float64()


def kind_of_arrow(kind: pa.DataType) -> str:
    """'text', 'number', 'time', 'bool', 'map of …', else arrow's own name."""
    types = pa.types
    if types.is_map(kind):
        return f"map of {kind_of_arrow(kind.item_type)}"
    if types.is_dictionary(kind):
        return kind_of_arrow(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind):
        return "text"
    if types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind):
        return "number"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    return "bool" if types.is_boolean(kind) else str(kind)


def kind_of_clickhouse(name: str) -> str:
    """The same word for a ClickHouse type."""
    while wrapped := re.fullmatch(r"(?:LowCardinality|Nullable)\((.*)\)", name):
        name = wrapped[1]
    if entry := re.fullmatch(r"Map\(.+?, (.*)\)", name):
        return f"map of {kind_of_clickhouse(entry[1])}"
    if name.startswith("Decimal"):
        return "number"
    return "time" if name.startswith("Date") else _KINDS.get(name[:1], name)


def defaults_of(raw_table: RawTable, files: Files, delivery: Delivery) -> dict[str, str]:
    """What the rows of a delivery have in common, as expressions by column."""
    defaults = {
        raw_table.column: quoted(delivery.partition),
        "x_fingerprint": quoted(delivery.fingerprint),
        "x_dlt_load_id": quoted(delivery.load_id),
        "x_delivered_at": quoted(utc(delivery.delivered_at)),
        "x_form": quoted(delivery.layout.partition(",")[0]),
    }
    return defaults | maps_of_flat_columns(files)
