"""The filesystem destination as DuckDB sees it: a view per table, under ClickHouse's names.

What is portable SQL (sql/checks, sql/marts) runs here over the committed parquet files and there
over the tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from glob import escape
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.core.partition import Delivery
from pipelines.core.registry import SOURCES, Source, tables
from pipelines.destinations.filesystem.store import LocalStore, Store
from pipelines.destinations.layout import RawTable
from pipelines.marts.live import LIVE_TABLES
from pipelines.normalize.run import tag_columns
from pipelines.tables import daily
from pipelines.tables.overview import runs_schema
from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.raw_tables import LINKED, RAW_TABLES, published_partitions
from pipelines.tables.schema import arrow_of, deliveries_schema
from pipelines.tables.shapes import arrow_shape, mart_columns
from pipelines.tables.sources import COST_SOURCES

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
_READINGS = pa.schema(
    [
        ("word", pa.string()),
        ("partition", pa.string()),
        ("member", pa.string()),
        ("read_at", pa.timestamp("us", "UTC")),
    ]
)


_PUBLISHED = LINKED | {daily.NAME: COST_SOURCES}
"""The marts that have a file for each partition of these sources, published with it."""


class DuckConnection:
    """DuckDB with a view per published table."""

    def __init__(self, duck: duckdb.DuckDBPyConnection | None = None) -> None:
        self.duck = duck or duckdb.connect(":memory:")
        self.duck.execute("set timezone = 'UTC'")

    def another(self) -> DuckConnection:
        """A second connection, for a thread of its own, with the same tables and views."""
        return DuckConnection(self.duck.cursor())

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Run SQL; return the column names and the rows."""
        cursor = self.duck.execute(sql)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()

    def table(self, name: str, rows: pa.Table) -> None:
        """A table of these rows. What is registered, as here, only its own connection sees."""
        self.duck.register("_given", rows)
        self.duck.execute(f"create table {name} as from _given")
        self.duck.unregister("_given")

    def view(
        self, name: str, files: Sequence[str], schema: pa.Schema, file: str | None = None
    ) -> None:
        """A view over parquet files with the columns of `schema`, typed NULLs for missing ones.

        The provider's other columns stay out: they might be called as ours.
        With `file` there is one more column, the path of each row's file.
        """
        if file:
            schema = schema.append(pa.field(file, pa.string()))
        self.table(f"_{name}_shape", schema.empty_table())
        sql = f"create view {name} as select * from _{name}_shape"
        if files:
            named = f", filename = '{file}'" if file else ""
            source = parquet(files, f", union_by_name = true{named}")
            have = {row[0] for row in self.duck.execute(f"describe from {source}").fetchall()}
            names = ", ".join(_columns(schema, have))
            sql += f" union all by name select {names} from {source}"
        self.duck.execute(sql)


def parquet(files: Sequence[str], options: str = "") -> str:
    """`read_parquet` of exactly these files."""
    listed = ", ".join("'" + escape(path).replace("'", "''") + "'" for path in files)
    return f"read_parquet([{listed}], hive_partitioning = false{options})"


def _columns(schema: pa.Schema, have: Collection[str]) -> Iterator[str]:
    """What a view selects of files. Of a legacy report's columns by key it makes the map, as raw in
    ClickHouse has it."""
    for field in schema:
        keys = [name for name in have if name.startswith(f"{field.name}_")]
        if field.name in have:
            yield f'"{field.name}"'
        elif pa.types.is_map(field.type) and keys:
            pairs = ", ".join(f"('{key[len(field.name) + 1 :]}', \"{key}\")" for key in keys)
            filled = f"list_filter([{pairs}], lambda pair: pair[2] is not null)"
            yield f'map_from_entries({filled}) as "{field.name}"'


def local_connection(store: Store) -> DuckConnection:
    """Every published table of the filesystem destination, as it is now."""
    connection = published_connection(store)
    mart_views(connection, store, [daily.NAME])
    raw, provider, readings = [], [], []
    for entry in tables():
        deliveries = store.deliveries(entry.raw_table)
        raw_view(connection, store, entry, deliveries)
        raw += _raw_partitions(entry.raw_table, deliveries)
        provider += [
            {"word": entry.raw_table.source_name}
            | row
            | {"delivered_at": datetime.fromisoformat(row["delivered_at"])}
            for row in store.provider(entry.raw_table)
        ]
        readings += [
            {"word": entry.raw_table.source_name, "partition": key, "member": member, "read_at": at}
            for key, moments in store.readings(entry.raw_table).noted().items()
            for member, at in moments.items()
        ]
    published = published_partitions("count(*)")
    connection.duck.execute(f"create view published_partitions as {published}")
    mart_views(connection, store, [name for name in mart_columns(()) if name not in _PUBLISHED])
    connection.table("raw_partitions", pa.Table.from_pylist(raw, _RAW_PARTITIONS))
    connection.table("provider_partitions", pa.Table.from_pylist(provider, _PROVIDER_PARTITIONS))
    connection.table("readings", pa.Table.from_pylist(readings, _READINGS))
    return connection


def published_connection(store: Store, named: Collection[str] | None = None) -> DuckConnection:
    """What the computed marts are made from: normalised tables, the marts linked to them, history;
    not `costs_daily`, of which sums.py makes them. With `named` only what it names.

    Raw is left out: its columns are known to each source's module, with a client library that
    takes a third of a second to import.
    """
    connection = store_connection(store)
    for source_name, entry in SOURCES.items():
        name = f"normalized_{source_name}"
        if named is None or name in named:
            files = urls(store, store.glob(store.normalized(entry.raw_table, "*")))
            connection.view(name, files, arrow_shape(source_name, tag_columns()))
    mart_views(connection, store, [name for name in LINKED if named is None or name in named])
    if named is None or "deliveries" in named:
        _history(connection, store)
    if named is None or "runs" in named:
        runs_view(connection, store)
    return connection


def _history(connection: DuckConnection, store: Store) -> None:
    """The table `deliveries`: many files of few rows, which several marts read."""
    files = [p for e in tables() for p in store.glob(store.history(e.raw_table.source_name, "*"))]
    connection.view("_history", urls(store, files), deliveries_schema())
    connection.duck.execute("create table deliveries as from _history")


def runs_view(connection: DuckConnection, store: Store) -> None:
    """When runs ended: one small file per source."""
    connection.view("runs", urls(store, store.glob(store.runs("*"))), runs_schema())


def store_connection(store: Store) -> DuckConnection:
    """DuckDB that can read the store's files."""
    connection = DuckConnection()
    if not isinstance(store, LocalStore):
        connection.duck.register_filesystem(store.fs)
    for name, schema in LIVE_TABLES.items():  # a stream has no part on parquet
        connection.table(name, schema.empty_table())
    return connection


def raw_list_views(connection: DuckConnection, store: Store, names: Iterable[str]) -> None:
    """Those raw lists that marts read, by their tables' names."""
    for name in names:
        raw_table = next(each for each in RAW_TABLES.values() if each.clickhouse_name == name)
        schema = arrow_of(RAW_LISTS[name].fields)
        _raw_view(connection, store, raw_table, schema, store.deliveries(raw_table))


def mart_views(connection: DuckConnection, store: Store, names: Iterable[str]) -> None:
    """Those marts, from their published files."""
    columns = mart_columns(tag_columns())
    for name in names:
        connection.view(name, urls(store, _mart_files(store, name)), arrow_of(columns[name]))


def _mart_files(store: Store, name: str) -> list[str]:
    if name in _PUBLISHED:
        return [
            path
            for source_name in _PUBLISHED[name]
            for path in store.glob(store.mart(name, source_name, "*"))
        ]
    return store.glob(store.computed(name, "*"))


def raw_view(
    connection: DuckConnection, store: Store, entry: Source, deliveries: Mapping[str, Delivery]
) -> None:
    """The raw table with its partition and fingerprint beside each row, as in ClickHouse."""
    _raw_view(connection, store, entry.raw_table, entry.checked(), deliveries)


def _raw_view(
    connection: DuckConnection,
    store: Store,
    raw_table: RawTable,
    schema: pa.Schema,
    deliveries: Mapping[str, Delivery],
) -> None:
    name = raw_table.clickhouse_name
    partitions = [
        {
            "x_file": path,
            raw_table.column: delivery.partition,
            "x_fingerprint": delivery.fingerprint,
        }
        for delivery in deliveries.values()
        for path in urls(store, store.raw_files(raw_table, delivery))
    ]
    columns = pa.schema([(c, pa.string()) for c in ("x_file", raw_table.column, "x_fingerprint")])
    connection.table(f"_{name}_partitions", pa.Table.from_pylist(partitions, columns))
    connection.view(f"_{name}_rows", [p["x_file"] for p in partitions], schema, file="x_file")
    connection.duck.execute(
        f"create view {name} as select * from _{name}_rows join _{name}_partitions using (x_file)"
    )


def _raw_partitions(
    raw_table: RawTable, deliveries: Mapping[str, Delivery]
) -> list[dict[str, Any]]:
    return [
        {
            "word": raw_table.source_name,
            "partition": key,
            "fingerprint": delivery.fingerprint,
            "rows": delivery.rows,
            "delivered_at": delivery.delivered_at,
            "loaded_at": delivery.loaded_at,
        }
        for key, delivery in deliveries.items()
    ]


def urls(store: Store, paths: Sequence[str]) -> list[str]:
    """The paths as URLs that DuckDB's `read_parquet` accepts."""
    if isinstance(store, LocalStore):
        return list(paths)
    return [str(store.fs.unstrip_protocol(path)) for path in paths]
