"""The queries over a table of FOCUS in BigQuery: which months it has, and the rows of one.

A column that BigQuery nests or repeats is read as JSON text; a number and a time as what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipelines.core.partition import PartitionError, Selection
from pipelines.providers.focus.contract import TIME, check_types, kind_of, names_of

_TEXT = pa.string()
_TYPES = {
    "STRING": _TEXT,
    "FLOAT": pa.float64(),
    "FLOAT64": pa.float64(),
    "INTEGER": pa.int64(),
    "INT64": pa.int64(),
    "NUMERIC": pa.decimal128(38, 9),
    "BOOLEAN": pa.bool_(),
    "BOOL": pa.bool_(),
    "TIMESTAMP": TIME,
}
COSTS = ("billed_cost", "effective_cost", "list_cost")
_PLAN = """
select
    format_timestamp('%Y-%m', {start}) as month,
    count(*) as row_count,
    {costs},
    {newest} as newest
from `{table}`
where {kept}
group by 1
"""
_READ = """
select
    {columns}
from `{table}`
where {start} >= @first and {start} < @next
"""


@dataclass(frozen=True)
class Columns:
    """The columns of a table: our name, BigQuery's expression and the type it comes in."""

    names: list[str]
    expressions: list[str]
    types: list[pa.DataType]
    start: str
    newest: str

    @property
    def schema(self) -> pa.Schema:
        """The schema of the query's answer."""
        return pa.schema(list(zip(self.names, self.types, strict=True)))

    def of(self, name: str) -> str:
        """The expression of a column; NULL where the table has none."""
        found = dict(zip(self.names, self.expressions, strict=True))
        return found.get(name, "cast(null as float64)")


def columns_of(fields: Sequence[Any], table: str) -> Columns:
    """The columns of a table by its schema. Raises PartitionError unless it is FOCUS."""
    names = names_of([each.name for each in fields], table)
    kinds = [each.field_type if each.mode != "REPEATED" else "REPEATED" for each in fields]
    by_name = dict(zip(names, zip(fields, kinds, strict=True), strict=True))
    if "billing_period_start" not in by_name:
        raise PartitionError(
            f"{table} is missing BillingPeriodStart, by which its months are read. Add it to the "
            "view, or name Google's own FOCUS export."
        )
    pairs = [_selected(name, each.name, kind) for name, (each, kind) in by_name.items()]
    found = Columns(
        names=names,
        expressions=[sql for sql, _ in pairs],
        types=[type_ for _, type_ in pairs],
        start=_moment(*by_name["billing_period_start"]),
        newest=_newest(by_name),
    )
    check_types(names, found.schema, table)
    return found


def _selected(name: str, original: str, kind: str) -> tuple[str, pa.DataType]:
    """BigQuery's expression for a column, and the type of what it gives."""
    sql = f"`{original}`"
    if kind_of(name) == "time" and kind in ("DATE", "DATETIME"):
        return f"timestamp({sql})", TIME
    if kind_of(name) == "number" and kind in ("BIGNUMERIC", "BIGDECIMAL"):
        return f"cast({sql} as float64)", pa.float64()
    if kind in _TYPES:
        return sql, _TYPES[kind]
    return f"to_json_string({sql})", _TEXT


def _moment(each: Any, kind: str) -> str:
    return f"`{each.name}`" if kind == "TIMESTAMP" else f"timestamp(`{each.name}`)"


def _newest(by_name: Mapping[str, tuple[Any, str]]) -> str:
    """A view that does not say when its rows were exported is as new as its rows and sums."""
    if "x_export_time" not in by_name:
        return "cast(null as timestamp)"
    return f"max({_moment(*by_name['x_export_time'])})"


def planned(table: str, columns: Columns, selection: Selection) -> tuple[str, dict[str, Any]]:
    """The aggregate over every month from the first that is selected, and its parameters.

    Micros are whole numbers: a sum of floats could differ from run to run."""
    parameters: dict[str, Any] = {}
    kept = ["true"]
    if first := _month(selection.first):
        parameters["first"] = first
        kept.append(f"({columns.start} >= @first or {columns.start} is null)")
    costs = [
        f"sum(safe_cast(round({columns.of(name)} * 1000000) as int64)) as {name}" for name in COSTS
    ]
    sql = _PLAN.format(
        start=columns.start,
        costs=",\n    ".join(costs),
        newest=columns.newest,
        table=table,
        kept=" and ".join(kept),
    )
    return sql, parameters


def query(table: str, columns: Columns, month: str) -> tuple[str, dict[str, Any]]:
    """The query for the rows of a month, and its parameters."""
    first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    listed = ",\n    ".join(
        f"{sql} as `{name}`" for sql, name in zip(columns.expressions, columns.names, strict=True)
    )
    sql = _READ.format(columns=listed, table=table, start=columns.start)
    return sql, {"first": first, "next": after}


def _month(bound: str | None) -> datetime | None:
    """The first moment of a bound's month; None where it is none, such as a year."""
    if bound is None or not re.match(r"\d{4}-\d{2}", bound):
        return None
    return datetime.fromisoformat(f"{bound[:7]}-01").replace(tzinfo=UTC)
