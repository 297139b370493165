"""Columns of landed parquet files as ClickHouse columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.statements import quoted
from pipelines.partitions import PartitionError

_FLAT_TAGS = "resource_tags_"  # legacy parquet has a column per tag key instead of a map

_TYPES = {
    "text": "Nullable(String)",
    "number": "Nullable(Float64)",
    "time": "Nullable(DateTime64(6, 'UTC'))",
    "bool": "Nullable(Bool)",
    "map of text": "Map(LowCardinality(String), String)",
    "map of number": "Map(LowCardinality(String), Float64)",
}
_KINDS = {"S": "text", "E": "text", "F": "number", "I": "number", "U": "number", "B": "bool"}


@dataclass(frozen=True)
class Files:
    """The landed files of a delivery: their paths, all columns by name, and their rows."""

    paths: Sequence[Path]
    columns: Mapping[str, pa.DataType]
    rows: int


def inspect(paths: Sequence[Path], where: str) -> Files:
    """Read the footers. Raises PartitionError when two files disagree on a column's kind."""
    columns: dict[str, pa.DataType] = {}
    rows = 0
    for path in paths:
        rows += pq.read_metadata(path).num_rows
        for field in pq.read_schema(path):
            known = columns.setdefault(field.name, field.type)
            if kind_of_arrow(known) != kind_of_arrow(field.type):
                raise PartitionError(
                    f"{where}: {field.name} is {known} in one file and {field.type} in another. "
                    "The published partition stays; have the provider deliver the period again."
                )
    return Files(paths, columns, rows)


def new_columns(files: Files, have: Mapping[str, str], where: str) -> dict[str, str]:
    """The columns that raw lacks, with their types. Raises PartitionError for a changed kind."""
    wrong = [
        f"{name} is {kind}, the table has {have[name]}"
        for name, kind in files.columns.items()
        if name in have and kind_of_arrow(kind) not in (kind_of_clickhouse(have[name]), "null")
    ]
    if wrong:
        raise PartitionError(
            f"{where}: {'; '.join(wrong)}. The published partition stays; have the provider "
            "deliver the period again."
        )
    return {
        name: clickhouse_type(kind, name, where)
        for name, kind in files.columns.items()
        if name not in have
    }


def map_of_flat_tags(files: Files) -> str | None:
    """A map made of the tag columns of a legacy report, as the default of the map column."""
    names = [name for name in files.columns if name.startswith(_FLAT_TAGS)]
    if "resource_tags" in files.columns or not names:
        return None
    pairs = ", ".join(
        f"{quoted(name.removeprefix(_FLAT_TAGS))}, ifNull(`{name}`, '')" for name in names
    )
    return f"mapFilter((key, value) -> value != '', map({pairs}))"


def clickhouse_type(kind: pa.DataType, column: str, where: str) -> str:
    """The type of a new raw column. Raises PartitionError for one that has no counterpart."""
    if pa.types.is_decimal(kind):
        return f"Nullable(Decimal({kind.precision}, {kind.scale}))"
    if pa.types.is_integer(kind):
        return "Nullable(Int64)"
    found = _TYPES.get(kind_of_arrow(kind))
    if found is None:
        raise PartitionError(
            f"{where}: {column} is {kind}, which has no column type in ClickHouse here. Leave the "
            "column out of the export's query."
        )
    return found


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
