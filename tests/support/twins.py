"""One raw delivery through both twins, pandas and ClickHouse, and where their rows differ.

Rows are told apart by one column (`Subject.key`): it is written over, so that each row has a value
of its own.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import Delivery
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.layout import RawTable
from pipelines.normalize.batches import Normalizer, RawFile, normalize_files
from pipelines.providers.aws import contract, normalize
from pipelines.providers.gcp import normalize as gcp
from pipelines.tables import daily
from pipelines.tables.schema import Context, arrow_of, arrow_schema

FINGERPRINT = "f00d"
LOAD_ID = "1790000000.5"
#: Text as text, however the table stores it.
_ARROW = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}


@dataclass(frozen=True)
class Subject:
    """One source's twins: its place and pandas module, a partition, and what tells rows apart."""

    raw_table: RawTable
    normalizer: Normalizer
    partition: str
    key: str
    """A normalised column."""
    raw_key: Callable[[Sequence[str]], str]
    """The raw column that becomes it, by a file's columns."""
    form: Callable[[Sequence[str]], str]


def _form_of_aws(names: Sequence[str]) -> str:
    return contract.detect_layout(names, "the test's file")


AWS = Subject(
    raw_table=RawTable("aws", "aws_costs", "cur", "billing_period"),
    normalizer=normalize,
    partition="2026-10",
    key="sku_price_id",
    raw_key=lambda names: {"CUR": "pricing_rate_code", "FOCUS": "sku_price_id"}[
        _form_of_aws(names)
    ],
    form=_form_of_aws,
)
GCP = Subject(
    raw_table=RawTable("gcp", "gcp_costs", "billing_export", "export_date"),
    normalizer=gcp,
    partition="2026-10-31",
    key="resource_id",
    raw_key=lambda names: "resource_global_name",
    form=lambda names: "detailed" if "resource_name" in names else "standard",
)
RAW_TABLE, PARTITION, KEY = AWS.raw_table, AWS.partition, AWS.key

Difference = tuple[str | None, str, object, object]
"""The row's key, the column, what pandas has there, what ClickHouse has."""


@dataclass
class Twins:
    """A migrated database and a folder; each delivery replaces the one before."""

    config: ClickHouseConfig
    folder: Path
    tag_columns: Sequence[str]
    warehouse: Warehouse
    subject: Subject = AWS
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def schema(self) -> pa.Schema:
        """The cost shape, which both must give."""
        return arrow_schema(self.tag_columns)

    def differences(self, *raw: pa.Table, **options: Any) -> list[Difference]:
        """Every value in which the twins disagree on a delivery of these raw files.

        Lines first, then what they are summed up to by day.
        """
        lines = differences(*self.both(*raw, **options), key=self.subject.key)
        return lines + differences(*self.days(), key="")

    def both(self, *raw: pa.Table, **options: Any) -> tuple[pa.Table, pa.Table]:
        """What pandas and what ClickHouse make of a delivery; `options` are the writer's.

        A delivery of one row needs no key, and keeps its price's id.
        """
        is_one = sum(table.num_rows for table in raw) == 1
        names = [self.write(table if is_one else self.keyed(table), **options) for table in raw]
        return self.pandas(names), self.clickhouse(names)

    def keyed(self, raw: pa.Table) -> pa.Table:
        """Raw rows with keys that no other row has."""
        column = self.subject.raw_key(raw.schema.names)
        keys = pa.array([f"{next(self._numbers):05d}" for _ in range(raw.num_rows)], pa.string())
        others = [other for other in raw.schema.names if other != column]
        return raw.select(others).append_column(column, keys)

    def write(self, raw: pa.Table, **options: Any) -> str:
        """The name of a new raw file."""
        name = f"{next(self._numbers):05d}.parquet"
        pq.write_table(raw, self.folder / name, **options)
        return name

    def pandas(self, names: Sequence[str]) -> pa.Table:
        """Through the normaliser of the filesystem destination, as its readers see it."""
        target = self.folder / "normalized.parquet"
        files = [RawFile(name, self.folder / name) for name in names]
        layout = self.subject.form(
            [column for name in names for column in pq.read_schema(self.folder / name).names]
        )
        keys = tuple(self.tag_columns)
        context = Context(self.subject.partition, FINGERPRINT, LOAD_ID, keys, layout)
        days = self.folder / "daily.parquet"
        normalize_files(files, target, self.subject.normalizer, context, daily=days)
        found = pq.ParquetFile(target).read().replace_schema_metadata()
        assert found.schema == self.schema
        return found

    def clickhouse(self, names: Sequence[str]) -> pa.Table:
        """Published as a load does it, as readers of the server see it."""
        delivery = _delivery(self.subject, self.folder, names)
        self.warehouse.publish(self.subject.raw_table, self.folder, delivery)
        return self.read()

    def read(self, partition: str = "") -> pa.Table:
        """What the server has of a partition, in the cost shape."""
        names = ", ".join(self.schema.names)
        table, wanted = self.subject.raw_table.normalized_table, partition or self.subject.partition
        sql = f"select {names} from {table} where x_partition = '{wanted}'"
        with connect(self.config) as client:
            found = client.query_arrow(sql, settings=_ARROW)
        assert [*map(_type_name, found.schema)] == [*map(_type_name, self.schema)]
        return found.cast(self.schema)

    def days(self) -> tuple[pa.Table, pa.Table]:
        """The daily rows of both, each with all of its keys as one text under the name ''."""
        shape = arrow_of(daily.daily_columns(self.tag_columns))
        here = pq.ParquetFile(self.folder / "daily.parquet").read().replace_schema_metadata()
        assert here.schema == shape
        names = ", ".join(shape.names)
        source_name = self.subject.raw_table.source_name
        sql = f"select {names} from {daily.NAME} where x_source = '{source_name}'"
        with connect(self.config) as client:
            there = client.query_arrow(sql, settings=_ARROW).cast(shape)
        keys = daily.key_names(self.tag_columns)
        return _with_one_key(here, keys), _with_one_key(there, keys)


@contextmanager
def on_a_database(
    server: ClickHouseConfig, folder: Path, tag_columns: Sequence[str], subject: Subject = AWS
) -> Iterator[Twins]:
    """Twins on a database of their own, which is migrated for these tag columns."""
    config = server.with_database(f"twins_{secrets.token_hex(6)}")
    migrate(config, tag_columns)
    with Warehouse(config, tag_columns) as warehouse:
        yield Twins(config, folder, tag_columns, warehouse, subject)
    with ClickHouseManager(server) as manager:
        manager.execute(f"drop database {config.database} sync")


def differences(left: pa.Table, right: pa.Table, key: str = KEY) -> list[Difference]:
    """Every value of two tables that differs; of a row that one of them lacks, the key."""
    mine, theirs = _by_key(left, key), _by_key(right, key)
    lacking = [
        (own, key, own if own in mine else None, own if own in theirs else None)
        for own in mine.keys() ^ theirs.keys()
    ]
    return lacking + [
        (own, column, row[column], theirs[own][column])
        for own, row in mine.items()
        if own in theirs
        for column in left.schema.names
        if not _is_same(row[column], theirs[own][column])
    ]


def _with_one_key(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    rows = table.select(keys).to_pylist()
    return table.append_column("", pa.array([repr(row) for row in rows], pa.string()))


def _by_key(table: pa.Table, key: str) -> dict[str | None, dict[str, Any]]:
    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    rows = {row[key]: row | {name: sorted(row[name]) for name in maps} for row in table.to_pylist()}
    assert len(rows) == table.num_rows, f"{key} is not unique"
    return rows


def _is_same(one: object, other: object) -> bool:
    """Equal in type and value; amounts within 1e-9, or 1e-9 of their size."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):  # a map's entries
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and one == other


def _type_name(column: pa.Field) -> str:
    """Name and type, without what engines call a map's entries."""
    kind = column.type
    word = f"map of {kind.key_type} to {kind.item_type}" if pa.types.is_map(kind) else str(kind)
    return f"{column.name}: {word}"


def _delivery(subject: Subject, folder: Path, names: Sequence[str]) -> Delivery:
    """What a load says of landed files."""
    files = [pq.read_metadata(folder / name) for name in names]
    sizes = [(folder / name).stat().st_size for name in names]
    columns = [name for file in files for name in file.schema.to_arrow_schema().names]
    moment = datetime(2026, 11, 3, 4, 5, tzinfo=UTC)
    return Delivery(
        source_name=subject.raw_table.source_name,
        partition=subject.partition,
        fingerprint=FINGERPRINT,
        rows=sum(file.num_rows for file in files),
        bytes=sum(sizes),
        delivered_at=moment,
        loaded_at=moment,
        load_id=LOAD_ID,
        layout=subject.form(columns),
        files=tuple(
            {"name": name, "rows": file.num_rows, "bytes": size, "source": name, "etag": ""}
            for name, file, size in zip(names, files, sizes, strict=True)
        ),
    )
