"""The tables of the BigQuery sandbox, in DuckDB: rows, schemas, partitions and logical sizes.

An ingestion-time partitioned table holds one column more than BigQuery shows, `_PARTITIONTIME`.
Sizes are kept per column and partition, so that a query's bytes are what it selects of both.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from scripts.sandbox.bigquery import types
from scripts.sandbox.bigquery.errors import ApiError

PARTITION_TIME = "_PARTITIONTIME"
#: BigQuery raises; DuckDB answers infinity.
_DIVIDE = """create macro bq_divide(a, b) as
    case when b = 0 then error('division by zero') else a / b end"""
_SIZES = (
    "create table sizes (place varchar, name varchar, _PARTITIONTIME timestamptz, bytes hugeint)"
)


class TableId(NamedTuple):
    """A table's full name."""

    project: str
    dataset: str
    table: str

    @classmethod
    def parse(cls, text: str) -> TableId:
        """From `project.dataset.table`. Raises ValueError for another form."""
        parts = text.split(".")
        if len(parts) != 3:
            raise ValueError(f"{text!r} is not a table. Write project.dataset.table.")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"

    @property
    def reference(self) -> dict[str, str]:
        """A TableReference."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}


@dataclass
class Table:
    """A table as the API describes it; `place` is its name in DuckDB."""

    id: TableId
    place: str
    columns: list[tuple[str, DuckDBPyType]]
    required: set[str]
    is_partitioned: bool
    rows: int
    bytes: int
    changed: int = field(default_factory=lambda: int(time.time() * 1000))

    @property
    def schema(self) -> dict[str, Any]:
        """A TableSchema."""
        made = [types.field(*each, required=each[0] in self.required) for each in self.columns]
        return {"fields": made}

    def summary(self, location: str) -> dict[str, Any]:
        """The table as an entry of tables.list."""
        made: dict[str, Any] = {
            "kind": "bigquery#table",
            "id": str(self.id),
            "tableReference": self.id.reference,
            "type": "TABLE",
            "creationTime": str(self.changed),
            "location": location,
        }
        if self.is_partitioned:
            made["timePartitioning"] = {"type": "DAY"}
        return made

    def resource(self, location: str) -> dict[str, Any]:
        """The table as tables.get answers it."""
        return self.summary(location) | {
            "etag": f"{self.place}-{self.changed}",
            "schema": self.schema,
            "numRows": str(self.rows),
            "numBytes": str(self.bytes),
            "lastModifiedTime": str(self.changed),
        }


class Tables:
    """All tables. Safe to use from several threads; a reader sees a table whole, old or new."""

    def __init__(self) -> None:
        # client SQL is executed: it reaches no file, no network and no variable of Python
        self._connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "enable_external_access": False,
                "python_enable_replacements": False,
                "threads": 2,
            }
        )
        for statement in ("set timezone = 'UTC'", _DIVIDE, _SIZES):
            self._connection.execute(statement)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._tables: dict[TableId, Table] = {}
        self.datasets: set[tuple[str, str]] = set()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread, in UTC."""
        cursor = self._connection.cursor()
        cursor.execute("set timezone = 'UTC'")
        return cursor

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def put(self, name: TableId, rows: pa.Table) -> Table:
        """Create or replace a table. With a column `_PARTITIONTIME` it is partitioned by it."""
        with self._lock:
            known = self._tables.get(name)
            place = known.place if known else f"t{next(self._numbers)}"
            cursor = self.cursor()
            cursor.register("given", rows)
            cursor.execute("begin")
            cursor.execute(f"create or replace table {place} as select * from given")
            table = _described(cursor, name, place, rows.schema)
            cursor.execute("commit")
            cursor.unregister("given")
            self._tables[name] = table
            self.datasets.add((name.project, name.dataset))
            return table

    def drop(self, name: TableId) -> None:
        """Remove a table. Raises KeyError without it."""
        with self._lock:
            self.cursor().execute(f"drop table {self._tables.pop(name).place}")

    def get(self, name: TableId) -> Table | None:
        """A table, None when there is none of this name."""
        return self._tables.get(name)

    def list(self, project: str, dataset: str) -> list[Table]:
        """A dataset's tables by name. Raises ApiError notFound without the dataset."""
        if (project, dataset) not in self.datasets:
            raise ApiError("notFound", f"Not found: Dataset {project}:{dataset}")
        found = [table for name, table in self._tables.items() if name[:2] == (project, dataset)]
        return sorted(found, key=lambda table: table.id)

    def scanned(self, table: Table, columns: set[str], where: str) -> int:
        """Logical bytes of these columns in the partitions that a predicate over
        `_PARTITIONTIME` keeps."""
        names = ", ".join(types.literal(name) for name in sorted(columns)) or "null"
        found = self.cursor().execute(
            f"select coalesce(sum(bytes), 0)::bigint from sizes "
            f"where place = '{table.place}' and name in ({names}) and ({where})"
        )
        return int(found.fetchall()[0][0])


def _described(
    cursor: duckdb.DuckDBPyConnection, name: TableId, place: str, schema: pa.Schema
) -> Table:
    """Measure a table that was just written."""
    relation = cursor.table(place)
    every = list(zip(relation.columns, relation.types, strict=True))
    columns = [(column, kind) for column, kind in every if column != PARTITION_TIME]
    is_partitioned = len(columns) < len(every)
    day = PARTITION_TIME if is_partitioned else "null"
    names = ", ".join(types.literal(column) for column, _ in columns)
    sums = ", ".join(f"sum({types.size(quoted(column), kind)})" for column, kind in columns)
    cursor.execute(f"delete from sizes where place = '{place}'")
    cursor.execute(
        f"insert into sizes select '{place}', unnest([{names}]), {day}, unnest([{sums}]) "
        f"from {place} group by {day}"
    )
    total = f"select count(*), (select sum(bytes) from sizes where place = '{place}') from {place}"
    rows, size = cursor.execute(total).fetchall()[0]
    required = {each.name for each in schema if not each.nullable}
    return Table(name, place, columns, required, is_partitioned, rows, int(size or 0))


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
