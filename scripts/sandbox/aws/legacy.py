"""The legacy Cost and Usage Report's columns and manifest, made from rows in CUR 2.0 names.

Maps become columns: `product['instance_type']` → `product/instanceType`, `discount['edp_discount']`
→ `discount/EdpDiscount`, `resource_tags['user:Team']` → `resourceTags/user:Team`. The account
names of CUR 2.0 do not exist here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pyarrow as pa

from scripts.sandbox.aws import columns as cur_columns

Row = Mapping[str, Any]
#: Text and number as legacy manifests call them, for csv and for parquet.
_TYPES = {
    "number": ("OptionalBigDecimal", "DOUBLE"),
    "text": ("OptionalString", "STRING"),
    "time": ("DateTime", "TIMESTAMP"),
}


@dataclass(frozen=True)
class Column:
    """A column of a legacy report: its csv header, its type, and how a row gives its value."""

    header: str
    type: pa.DataType
    value: Callable[[Row], Any]

    @property
    def athena(self) -> str:
        """Its name in parquet."""
        return cur_columns.athena_name(self.header)

    def entry(self, *, athena: bool = False) -> dict[str, str]:
        """Its entry in the manifest: category, name and type."""
        category, _, name = self.header.partition("/")
        return {
            "category": category,
            "name": self.athena if athena else name,
            "type": _TYPES[_kind(self.type)][athena],
        }


def csv_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns of a csv report, in AWS's order of categories, tags last."""
    columns = [
        _scalar(name, rows)
        for name in cur_columns.columns_of(rows)
        if not _is_map(name, rows) and name not in cur_columns.CUR2_ONLY
    ]
    taken = {column.header for column in columns}
    for name in ("product", "discount", "cost_category", "resource_tags"):
        made = [_from_map(name, key) for key in _keys(rows, name)]
        columns += [column for column in made if column.header not in taken]
    order = ["identity", "bill", "lineItem", "product", "pricing", "reservation", "savingsPlan"]
    rank = {category: number for number, category in enumerate(order)}
    last = {"resourceTags": len(order) + 1}
    return sorted(columns, key=lambda c: (rank | last).get(c.header.split("/")[0], len(order)))


def parquet_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns of a parquet report. Headers that Athena would spell alike are merged: a row
    has the first of them that is not empty."""
    merged: dict[str, list[Column]] = {}
    for column in csv_columns(rows):
        merged.setdefault(column.athena, []).append(column)
    return [_merge(columns) for columns in merged.values()]


def parquet_table(rows: Sequence[Row], columns: Sequence[Column]) -> pa.Table:
    """Rows under Athena's names; an absent text is '' as in AWS's own files."""
    made = []
    for column in columns:
        blank = "" if pa.types.is_string(column.type) else None
        values = (column.value(row) for row in rows)
        filled = [blank if value is None else value for value in values]
        made.append(pa.array(filled, column.type))
    return pa.Table.from_arrays(
        made, schema=pa.schema([(column.athena, column.type) for column in columns])
    )


def manifest(
    bucket: str,
    report: str,
    period: str,
    assembly_id: str,
    keys: Sequence[str],
    columns: Sequence[Mapping[str, str]],
    encoding: tuple[str, str],
) -> dict[str, Any]:
    """The manifest of a delivery. `encoding` is (compression, content type)."""
    start = datetime.strptime(f"{period}-01", "%Y-%m-%d").replace(tzinfo=UTC)
    end = (start + timedelta(days=31)).replace(day=1)
    return {
        "assemblyId": assembly_id,
        "account": "999988887777",
        "columns": list(columns),
        "charset": "UTF-8",
        "compression": encoding[0],
        "contentType": encoding[1],
        "reportId": sha256(report.encode()).hexdigest(),
        "reportName": report,
        "billingPeriod": {
            "start": f"{start:%Y%m%dT%H%M%S}.000Z",
            "end": f"{end:%Y%m%dT%H%M%S}.000Z",
        },
        "bucket": bucket,
        "reportKeys": list(keys),
        "additionalArtifactKeys": [],
    }


def create_table(columns: Iterable[Column]) -> bytes:
    """The `create-table.sql` that AWS leaves beside an Athena report."""
    types = {"number": "DOUBLE", "time": "TIMESTAMP", "text": "STRING"}
    lines = [f"  {column.athena} {types[_kind(column.type)]}" for column in columns]
    text = "CREATE EXTERNAL TABLE IF NOT EXISTS cur(\n" + ",\n".join(lines)
    return f"{text}\n)\nPARTITIONED BY (year STRING, month STRING);\n".encode()


def _scalar(name: str, rows: Sequence[Row]) -> Column:
    kind = cur_columns.column_type(name, (row.get(name) for row in rows))
    return Column(cur_columns.legacy_header(name), kind, lambda row: row.get(name))


def _from_map(name: str, key: str) -> Column:
    category = {"cost_category": "costCategory", "resource_tags": "resourceTags"}.get(name)
    header = f"{category}/{key}" if category else cur_columns.legacy_header(f"{name}_{key}")
    kind = cur_columns.NUMBER if name == "discount" else cur_columns.TEXT
    return Column(header, kind, lambda row: (row.get(name) or {}).get(key))


def _merge(columns: Sequence[Column]) -> Column:
    def value(row: Row) -> Any:
        found = (column.value(row) for column in columns)
        return next((item for item in found if item not in (None, "")), None)

    return Column(columns[0].header, columns[0].type, value)


def _is_map(name: str, rows: Sequence[Row]) -> bool:
    kind = cur_columns.column_type(name, (row.get(name) for row in rows))
    return bool(pa.types.is_map(kind))


def _keys(rows: Sequence[Row], name: str) -> list[str]:
    return sorted({key for row in rows for key in row.get(name) or ()})


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "time"
    return "number" if pa.types.is_floating(kind) else "text"
