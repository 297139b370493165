"""Run sql/checks: each statement returns the offending rows, and none is good.

The statements are portable. On the filesystem DuckDB runs them over the committed parquet files
under the names that the tables have in ClickHouse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.aws.contract import CHECKED
from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseError
from pipelines.clickhouse.problems import explain
from pipelines.destinations.layout import Place
from pipelines.destinations.store import LocalStore, Store
from pipelines.load import SOURCES
from pipelines.normalize.marts import MARTS
from pipelines.normalize.run import tag_columns
from pipelines.normalize.schema import arrow_schema, deliveries_schema

CHECKS = Path(__file__).parent.parent / "sql" / "checks"

_RAW_PARTITIONS = pa.schema(
    [
        ("word", pa.string()),
        ("partition", pa.string()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        ("delivered_at", pa.timestamp("us", "UTC")),
        ("loaded_at", pa.timestamp("us", "UTC")),
    ]
)
_PROVIDER_PARTITIONS = pa.schema(
    [
        ("word", pa.string()),
        ("partition", pa.string()),
        ("fingerprint", pa.string()),
        ("delivered_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Result:
    """One check: its file's name, its first line, and the offending rows."""

    name: str
    meaning: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Connection(Protocol):
    """What runs a check: DuckDB here, ClickHouse in production."""

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Column names and rows."""


def run(connection: Connection, folder: Path = CHECKS) -> list[Result]:
    """Every check of the folder, by name."""
    results = []
    for path in sorted(folder.glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        meaning = re.sub(r"^--\s*", "", sql.splitlines()[0])
        columns, rows = connection.query(sql)
        results.append(Result(path.stem, meaning, columns, rows))
    return results


class DuckConnection:
    """DuckDB with a view per published table."""

    def __init__(self) -> None:
        self.duck = duckdb.connect(":memory:")
        self.duck.execute("set timezone = 'UTC'")

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Column names and rows."""
        cursor = self.duck.execute(sql)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()

    def view(
        self, name: str, files: Sequence[str], schema: pa.Schema, file: str | None = None
    ) -> None:
        """A view over parquet files with the columns of `schema`, typed NULLs where they lack one.

        The provider's other columns stay out: they might be called as ours.
        With `file` there is one more column, the path of each row's file.
        """
        if file:
            schema = schema.append(pa.field(file, pa.string()))
        self.duck.register(f"_{name}_shape", schema.empty_table())
        sql = f"create view {name} as select * from _{name}_shape"
        if files:
            listed = ", ".join("'" + escape(path).replace("'", "''") + "'" for path in files)
            named = f", filename = '{file}'" if file else ""
            source = (
                f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false{named})"
            )
            have = {row[0] for row in self.duck.execute(f"describe from {source}").fetchall()}
            names = ", ".join(f'"{column}"' for column in schema.names if column in have)
            sql += f" union all by name select {names} from {source}"
        self.duck.execute(sql)


class ClickHouseConnection:
    """A ClickHouse database with the tables of sql/."""

    def __init__(self, client: Client, config: ClickHouseConfig) -> None:
        self._client, self._config = client, config

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Column names and rows."""
        try:
            result = self._client.query(sql)
        except ConnectError as error:
            raise ClickHouseError(explain(error, self._config)) from error
        return result.column_names, result.result_rows


def local_connection(store: Store) -> DuckConnection:
    """Every published table of the filesystem destination, as it is now."""
    connection = DuckConnection()
    if not isinstance(store, LocalStore):
        connection.duck.register_filesystem(store.fs)
    shape = arrow_schema(tag_columns())
    raw, provider = [], []
    for word, entry in SOURCES.items():
        raw += _raw_view(connection, store, entry.place)
        provider += [
            {"word": word} | row | {"delivered_at": datetime.fromisoformat(row["delivered_at"])}
            for row in store.provider(entry.place)
        ]
        pattern = store.normalized(entry.place, "*")
        connection.view(f"normalized_{word}", _urls(store, store.glob(pattern)), shape)
    for name, members in MARTS.items():
        files = [path for word in members for path in store.glob(store.mart(name, word, "*"))]
        connection.view(name, _urls(store, files), shape)
    history = [path for word in SOURCES for path in store.glob(store.history(word, "*"))]
    connection.view("deliveries", _urls(store, history), deliveries_schema())
    connection.duck.register("raw_partitions", pa.Table.from_pylist(raw, _RAW_PARTITIONS))
    connection.duck.register(
        "provider_partitions", pa.Table.from_pylist(provider, _PROVIDER_PARTITIONS)
    )
    return connection


def _raw_view(connection: DuckConnection, store: Store, place: Place) -> list[dict[str, Any]]:
    """The raw table with its partition and fingerprint beside each row, as in ClickHouse."""
    name = f"{place.dataset}__{place.table}"
    deliveries = store.deliveries(place)
    partitions = [
        {"x_file": path, place.column: delivery.partition, "x_fingerprint": delivery.fingerprint}
        for delivery in deliveries.values()
        for path in _urls(store, store.raw_files(place, delivery))
    ]
    columns = pa.schema([(c, pa.string()) for c in ("x_file", place.column, "x_fingerprint")])
    connection.duck.register(f"_{name}_partitions", pa.Table.from_pylist(partitions, columns))
    connection.view(f"_{name}_rows", [p["x_file"] for p in partitions], CHECKED, file="x_file")
    connection.duck.execute(
        f"create view {name} as select * from _{name}_rows join _{name}_partitions using (x_file)"
    )
    return [
        {
            "word": place.word,
            "partition": key,
            "fingerprint": delivery.fingerprint,
            "rows": delivery.rows,
            "delivered_at": delivery.delivered_at,
            "loaded_at": delivery.loaded_at,
        }
        for key, delivery in deliveries.items()
    ]


def _urls(store: Store, paths: Sequence[str]) -> list[str]:
    """Paths as DuckDB takes them."""
    if isinstance(store, LocalStore):
        return list(paths)
    return [str(store.fs.unstrip_protocol(path)) for path in paths]
