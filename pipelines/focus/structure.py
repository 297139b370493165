"""What rules ask of a dataset as a whole: its columns, its files, its metadata, its sums."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.destinations.filesystem.footers import footer_of
from pipelines.focus.lines import PERIOD, Sums
from pipelines.focus.metadata import FOOTER, METADATA
from pipelines.focus.rules import Rule
from pipelines.tables.focus_dataset.columns import COST_AND_USAGE, arrow_dataset

Counts = tuple[int, int]
"""How many a rule is about, and how many of them break it."""

_NAME = re.compile("(x_)?[A-Z][A-Za-z0-9]*")
_MONTH = PERIOD.format('"BillingPeriodStart"')
_TYPES: Mapping[str, Callable[[pa.DataType], bool]] = {
    "text": pa.types.is_string,
    "number": pa.types.is_float64,
    "timestamp": lambda kind: pa.types.is_timestamp(kind) and kind.tz == "UTC",
}


@dataclass(frozen=True)
class Dataset:
    """A dataset in a folder: its files with their schemas, and the sums that it must keep."""

    folder: Path
    name: str
    version: str
    duck: duckdb.DuckDBPyConnection
    sums: Sums | None
    schemas: Mapping[Path, pa.Schema]

    @classmethod
    def of(
        cls,
        folder: Path,
        name: str,
        version: str,
        duck: duckdb.DuckDBPyConnection,
        sums: Sums | None,
    ) -> Dataset:
        """Reads the footers of its files."""
        files = sorted((folder / name).glob("*.parquet"))
        return cls(
            folder, name, version, duck, sums, {path: pq.read_schema(path) for path in files}
        )

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the folder's metadata.json says."""
        read: Mapping[str, Any] = json.loads((self.folder / METADATA).read_text(encoding="utf-8"))
        return read

    def one(self, sql: str) -> tuple[Any, ...]:
        """The only row of a query."""
        row = self.duck.execute(sql).fetchone()
        if row is None:
            raise LookupError(f"no row from: {sql}")
        return tuple(row)


def source(files: Iterable[Path]) -> str:
    """Files as DuckDB reads them."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _present(dataset: Dataset, rule: Rule) -> Counts:
    schemas = dataset.schemas.values()
    return len(schemas), sum(rule.column not in schema.names for schema in schemas)


def _type(dataset: Dataset, rule: Rule) -> Counts:
    schemas = [each for each in dataset.schemas.values() if rule.column in each.names]
    fits = _TYPES[rule.argument]
    return len(schemas), sum(not fits(schema.field(rule.column).type) for schema in schemas)


def _names(dataset: Dataset, _: Rule) -> Counts:
    return _columns(dataset, lambda name: _NAME.fullmatch(name) is not None)


def _lengths(dataset: Dataset, rule: Rule) -> Counts:
    return _columns(dataset, lambda name: len(name) <= int(rule.argument))


def _known(dataset: Dataset, _: Rule) -> Counts:
    known = arrow_dataset(dataset.name, dataset.version).names
    return _columns(dataset, lambda name: name in known or name.startswith("x_"))


def _columns(dataset: Dataset, holds: Callable[[str], bool]) -> Counts:
    names = [name for schema in dataset.schemas.values() for name in schema.names]
    return len(names), sum(not holds(name) for name in names)


def _order(dataset: Dataset, _: Rule) -> Counts:
    """Columns of the specification in its order, then ours."""
    wanted = arrow_dataset(dataset.name, dataset.version).names
    broken = 0
    for schema in dataset.schemas.values():
        ours = [name for name in schema.names if name.startswith("x_")]
        broken += schema.names != [n for n in wanted if n in schema.names and n not in ours] + ours
    return len(dataset.schemas), broken


def _schema(dataset: Dataset, _: Rule) -> Counts:
    """Files whose schema metadata.json describes, column by column."""
    described = {
        each["SchemaId"]: [column["ColumnName"] for column in each["ColumnDefinition"]]
        for each in dataset.metadata["Schema"]
    }
    broken = sum(
        described.get(_footer(path).get("SchemaId")) != schema.names
        for path, schema in dataset.schemas.items()
    )
    return len(dataset.schemas), broken


def _periods(dataset: Dataset, _: Rule) -> Counts:
    """Files that metadata.json lists with their rows, each with rows of its period only."""
    listed = {each["File"]: each["Rows"] for each in dataset.metadata["x_BillingPeriods"]}
    names = {f"{COST_AND_USAGE}/{path.name}": path for path in dataset.schemas}
    broken = len(listed.keys() - names.keys())
    for name, path in names.items():
        rows, foreign = dataset.one(
            f"select count(*), count(*) filter (where {_MONTH} <> '{path.stem}') "
            f"from {source([path])}"
        )
        broken += foreign > 0 or listed.get(name) != rows
    return len(names), broken


def _conserved(dataset: Dataset, rule: Rule) -> Counts:
    """Periods and currencies whose sum is not that of the cost lines."""
    if dataset.sums is None:
        return 0, 0
    name, _, of = rule.argument.partition("=")
    wanted = {key: each[of] for key, each in dataset.sums.items()}
    have: dict[tuple[str, str], float] = {}
    if dataset.schemas:
        sql = f"select {_MONTH}, coalesce(BillingCurrency, ''), coalesce(sum({name}), 0)"
        rows = dataset.duck.execute(f"{sql} from {source(dataset.schemas)} group by 1, 2")
        have = {(period, currency): total for period, currency, total in rows.fetchall()}
    keys = wanted.keys() | have.keys()
    return len(keys), sum(not _same(wanted.get(key, 0), have.get(key, 0)) for key in keys)


def _footer(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        read: Mapping[str, Any] = json.loads(footer_of(pq.ParquetFile(file)).get(FOOTER, "{}"))
    return read


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-6 + 1e-9 * abs(one)


STRUCTURE: Mapping[str, Callable[[Dataset, Rule], Counts]] = {
    "present": _present,
    "type": _type,
    "names": _names,
    "lengths": _lengths,
    "known": _known,
    "order": _order,
    "schema": _schema,
    "periods": _periods,
    "conserved": _conserved,
}
"""By kind of rule."""
