"""The cost lines of either destination as DuckDB reads them, partition by partition.

On the filesystem they are the normalised files themselves. From ClickHouse the lines of the
partitions in question are brought into a local file first, so that one engine makes the dataset,
whatever it is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.problems import explain, redacted
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.digests import hex_digest
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.footers import read_footers
from pipelines.destinations.filesystem.store import Store
from pipelines.focus.metadata import UNKNOWN
from pipelines.marts.catalogue import DuckConnection, mart_views, store_connection, urls
from pipelines.normalize.run import tag_columns
from pipelines.tables import daily
from pipelines.tables.revenue import COSTS_SPLIT
from pipelines.tables.schema import arrow_of, cost_columns
from pipelines.tables.sources import COST_SOURCES

SPLITS = "costs_split"
PERIOD = f"coalesce(strftime({{}}, '%Y-%m'), '{UNKNOWN}')"
"""The billing period of a line by its column."""
_MONTH = f"ifNull(formatDateTime(billing_period_start, '%Y-%m'), '{UNKNOWN}')"
_ARROW = {
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_string_as_string": 1,
}
_VERSIONS = """
select x_source, x_partition, toString(groupUniqArray(x_fingerprint)), toString(sum(x_lines))
from costs_daily group by 1, 2
"""
_HISTORY = "select word, partition, toString(max(published_at)) from deliveries group by 1, 2"
_RULES = """
select comment from system.tables
where database = currentDatabase() and engine = 'MaterializedView' order by name
"""

_COMPLETE = """
select source, complete_through from complete_through where complete_through is not null
"""
_SUMS = """
select {month}, coalesce(billing_currency, ''),
    coalesce(sum(billed_cost), 0), coalesce(sum(effective_cost), 0)
from costs_daily group by 1, 2
"""

Part = tuple[str, str]
"""A source and its partition."""
Sums = Mapping[tuple[str, str], Mapping[str, float]]
"""By billing period and currency the sums of billed_cost and effective_cost."""


class Lines(Protocol):
    """The published cost lines of a destination."""

    def versions(self) -> dict[Part, str]:
        """Every published partition, and what changes when its lines do."""

    def periods(self, parts: Collection[Part]) -> dict[Part, list[str]]:
        """The billing periods, such as 2026-10, that each of the partitions has lines of."""

    def complete_through(self) -> dict[str, date]:
        """The last whole day of each source, where it is known."""

    def sums(self) -> Sums:
        """What the lines add up to, by the daily table that is published with them."""

    @contextmanager
    def opened(self, parts: Collection[Part]) -> Iterator[DuckConnection]:
        """DuckDB with a view `costs` of these partitions."""


def lines_of(destination: Store | Warehouse, splits: bool = False) -> Lines:
    """The lines of a destination; with `splits` also the parts of charges that AWS splits."""
    if isinstance(destination, Store):
        return StoreLines(destination, splits)
    return WarehouseLines(destination, splits)


class StoreLines:
    """Normalised parquet files."""

    def __init__(self, store: Store, splits: bool) -> None:
        self._store, self._splits = store, splits

    def versions(self) -> dict[Part, str]:
        """By the footers of the normalised files, and of the files of the splits."""
        return {
            (source_name, partition): _version(footer, self._split_version(source_name, partition))
            for source_name in COST_SOURCES
            for partition, footer in self._store.footers(SOURCES[source_name].raw_table).items()
        }

    def periods(self, parts: Collection[Part]) -> dict[Part, list[str]]:
        """Read from three columns of their files."""
        found: dict[Part, list[str]] = {part: [] for part in parts}
        if parts:
            month = PERIOD.format("billing_period_start")
            sql = f"select distinct x_source, x_partition, {month} from costs order by 3"
            with self.opened(parts) as connection:
                for source_name, partition, period in connection.query(sql)[1]:
                    found[source_name, partition].append(period)
        return found

    def complete_through(self) -> dict[str, date]:
        """From the mart, as it was last computed."""
        connection = store_connection(self._store)
        with connection.duck:
            mart_views(connection, self._store, ["complete_through"])
            return {row[0]: row[1] for row in connection.query(_COMPLETE)[1]}

    def sums(self) -> Sums:
        """From the files of the daily table."""
        connection = store_connection(self._store)
        with connection.duck:
            mart_views(connection, self._store, [daily.NAME])
            sql = _SUMS.format(month=PERIOD.format("billing_period_start"))
            return _as_sums(connection.query(sql)[1])

    @contextmanager
    def opened(self, parts: Collection[Part]) -> Iterator[DuckConnection]:
        """A view over their files."""
        paths = [
            self._store.normalized(SOURCES[source_name].raw_table, partition)
            for source_name, partition in sorted(parts)
        ]
        connection = store_connection(self._store)
        with connection.duck:
            connection.view(
                "costs", urls(self._store, paths), arrow_of(cost_columns(tag_columns()))
            )
            if self._splits:
                found = [path for part in sorted(parts) for path in self._split_files(*part)]
                connection.view(SPLITS, urls(self._store, found), arrow_of(COSTS_SPLIT))
            yield connection

    def _split_files(self, source_name: str, partition: str) -> list[str]:
        return self._store.glob(self._store.mart(SPLITS, source_name, partition))

    def _split_version(self, source_name: str, partition: str) -> str:
        if not self._splits:
            return ""
        paths = {path: path for path in self._split_files(source_name, partition)}
        return str([dict(each) for each in read_footers(self._store.open, paths).values()])


class WarehouseLines:
    """The view `costs` of a ClickHouse database."""

    def __init__(self, warehouse: Warehouse, splits: bool) -> None:
        self._warehouse, self._splits = warehouse, splits

    def versions(self) -> dict[Part, str]:
        """By delivery, time of publishing and number of lines; and by the rules of the server."""
        query = self._warehouse.manager.execute
        rules = [row[0] for row in query(_RULES)]
        history = {(word, partition): at for word, partition, at in query(_HISTORY)}
        return {
            (source_name, partition): hex_digest(
                [fingerprint, lines, history.get((source_name, partition), ""), *rules]
            )
            for source_name, partition, fingerprint, lines in query(_VERSIONS)
        }

    def periods(self, parts: Collection[Part]) -> dict[Part, list[str]]:
        """Read from the daily table."""
        if not parts:
            return {}
        sql = (
            f"select x_source, x_partition, arraySort(groupUniqArray({_MONTH})) from costs_daily "
            f"where (x_source, x_partition) in ({_tuples(parts)}) group by 1, 2"
        )
        rows = self._warehouse.manager.execute(sql)
        return {part: [] for part in parts} | {
            (source_name, partition): list(months) for source_name, partition, months in rows
        }

    def complete_through(self) -> dict[str, date]:
        """From the mart, as it was last computed."""
        return dict(self._warehouse.manager.execute(_COMPLETE))

    def sums(self) -> Sums:
        """From the daily table."""
        return _as_sums(self._warehouse.manager.execute(_SUMS.format(month=_MONTH)))

    @contextmanager
    def opened(self, parts: Collection[Part]) -> Iterator[DuckConnection]:
        """A view over a local file, which is gone with the block."""
        schema = arrow_of(cost_columns(tag_columns()))
        with TemporaryDirectory(prefix="focus-") as folder, DuckConnection().duck as duck:
            connection = DuckConnection()
            connection.duck = duck
            where = f"(x_source, x_partition) in ({_tuples(parts)})"
            path = self._bring("costs", where, schema, Path(folder))
            connection.view("costs", [path], schema)
            if self._splits:
                keys = [quoted(key) for name, key in sorted(parts) if name == "aws"]
                where = f"x_partition in ({', '.join(keys) or quoted('')})"
                path = self._bring(SPLITS, where, arrow_of(COSTS_SPLIT), Path(folder))
                connection.view(SPLITS, [path], arrow_of(COSTS_SPLIT))
            yield connection

    def _bring(self, table: str, where: str, schema: pa.Schema, folder: Path) -> str:
        """Block by block: memory does not grow with the rows. The path of the file."""
        path, config = folder / f"{table}.parquet", self._warehouse.config
        names = ", ".join(f"`{name}`" for name in schema.names)
        select = f"select {names} from {table} where {where}"
        try:
            with (
                connect(config) as client,
                client.query_arrow_stream(select, settings=_ARROW) as blocks,
                pq.ParquetWriter(path, schema, compression="zstd") as writer,
            ):
                for block in blocks:
                    rows = (
                        pa.Table.from_batches([block])
                        if isinstance(block, pa.RecordBatch)
                        else block
                    )
                    writer.write_table(rows.cast(schema))
        except ConnectError as error:
            raise ClickHouseError(explain(error, config)) from redacted(error, config)
        return str(path)


def _as_sums(rows: Iterable[Sequence[Any]]) -> Sums:
    return {
        (period, currency): {"billed_cost": billed, "effective_cost": effective}
        for period, currency, billed, effective in rows
    }


def _version(footer: Mapping[str, str], splits: str) -> str:
    return hex_digest([*(f"{footer.get(n, '')}/" for n in ("fingerprint", "recipe")), splits])


def _tuples(parts: Collection[Part]) -> str:
    return ", ".join(f"({quoted(name)}, {quoted(key)})" for name, key in sorted(parts))
