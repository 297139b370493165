"""One raw delivery through both twins, pandas and ClickHouse, and where their rows differ.

Rows are told apart by their description, so every raw row of a delivery needs one of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.aws import contract
from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.migrate import migrate
from pipelines.destinations.layout import Place
from pipelines.destinations.warehouse import Warehouse, connect
from pipelines.normalize import aws
from pipelines.normalize.batches import RawFile, normalize_files
from pipelines.normalize.schema import Context, arrow_schema
from pipelines.partitions import Delivery

PLACE = Place("aws", "aws_costs", "cur", "billing_period")
PARTITION = "2026-10"
FINGERPRINT = "f00d"
LOAD_ID = "1790000000.5"
KEY = "charge_description"
#: What a reader asks ClickHouse for, so that text comes as text.
_ARROW = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}

Difference = tuple[str, str, object, object]
"""The row's key, the column, what pandas has there, what ClickHouse has."""


@dataclass
class Twins:
    """A migrated database and a folder; each delivery replaces the one before."""

    config: ClickHouseConfig
    folder: Path
    tag_columns: Sequence[str]
    warehouse: Warehouse = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.warehouse = Warehouse(self.config)

    @property
    def schema(self) -> pa.Schema:
        """What both must give."""
        return arrow_schema(self.tag_columns)

    def both(self, *raw: pa.Table, **options: Any) -> tuple[pa.Table, pa.Table]:
        """The cost lines that pandas and ClickHouse make of a delivery of these raw files.

        `options` are those of the parquet writer.
        """
        names = [f"{next(self._numbers)}.parquet" for _ in raw]
        for name, table in zip(names, raw, strict=True):
            pq.write_table(table, self.folder / name, **options)
        return self.pandas(names), self.clickhouse(names)

    def differences(self, *raw: pa.Table, **options: Any) -> list[Difference]:
        """Every value in which the twins do not agree on a delivery."""
        return differences(*self.both(*raw, **options))

    def pandas(self, names: Sequence[str]) -> pa.Table:
        """Through the normaliser of the filesystem destination, as its readers see it."""
        target = self.folder / "normalized.parquet"
        files = [RawFile(name, self.folder / name) for name in names]
        context = Context(PARTITION, FINGERPRINT, LOAD_ID, tuple(self.tag_columns))
        normalize_files(files, target, aws, context)
        found = pq.ParquetFile(target).read().replace_schema_metadata()
        assert found.schema == self.schema
        return found

    def clickhouse(self, names: Sequence[str]) -> pa.Table:
        """Published as a load does it, as readers of the server see it."""
        self.warehouse.publish(PLACE, self.folder, _delivery(self.folder, names))
        return self.read()

    def read(self, partition: str = PARTITION) -> pa.Table:
        """What is published of a partition, in the cost shape."""
        columns = ", ".join(self.schema.names)
        sql = f"select {columns} from {PLACE.normalized_table} where x_partition = '{partition}'"
        with connect(self.config) as client:
            found = client.query_arrow(sql, settings=_ARROW)
        assert [_word(kind) for kind in found.schema.types] == [
            _word(kind) for kind in self.schema.types
        ]
        return found.cast(self.schema)


@contextmanager
def twins(config: ClickHouseConfig, folder: Path, tag_columns: Sequence[str]) -> Iterator[Twins]:
    """Twins on an empty database, which is migrated for these tag columns."""
    migrate(config, tag_columns)
    made = Twins(config, folder, tag_columns)
    with made.warehouse:
        yield made


def differences(left: pa.Table, right: pa.Table) -> list[Difference]:
    """Every value of two tables of one schema that differs; a row that one lacks as a whole."""
    mine, theirs = _by_key(left), _by_key(right)
    assert (len(mine), len(theirs)) == (left.num_rows, right.num_rows), f"{KEY} is not unique"
    lacking = [
        (str(key), KEY, key if key in mine else None, key if key in theirs else None)
        for key in sorted(mine.keys() ^ theirs.keys(), key=str)
    ]
    return lacking + [
        (str(key), column, mine[key][column], theirs[key][column])
        for key in mine
        if key in theirs
        for column in left.schema.names
        if not _same(mine[key][column], theirs[key][column])
    ]


def _by_key(table: pa.Table) -> dict[object, dict[str, Any]]:
    rows = {row[KEY]: row for row in table.to_pylist()}
    for row in rows.values():
        row["tags"] = sorted(row["tags"])
    return rows


def _same(one: object, other: object) -> bool:
    """Equal in type and value; amounts within 1e-9, of their size where that is more than 1."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9) or (one != one) == (
            other != other
        ) == True
    return type(one) is type(other) and one == other


def _word(kind: pa.DataType) -> str:
    """A type without the names and the nullability of a map's entries, of which engines differ."""
    return f"map of {kind.key_type} to {kind.item_type}" if pa.types.is_map(kind) else str(kind)


def _delivery(folder: Path, names: Sequence[str]) -> Delivery:
    """As a load describes landed files."""
    paths = [folder / name for name in names]
    sizes = [path.stat().st_size for path in paths]
    rows = [pq.read_metadata(path).num_rows for path in paths]
    columns = [name for path in paths for name in pq.read_schema(path).names]
    moment = datetime(2026, 11, 3, 4, 5, tzinfo=UTC)
    return Delivery(
        word=PLACE.word,
        partition=PARTITION,
        fingerprint=FINGERPRINT,
        rows=sum(rows),
        bytes=sum(sizes),
        delivered_at=moment,
        loaded_at=moment,
        load_id=LOAD_ID,
        form=contract.form_of(columns, "the test's delivery"),
        files=tuple(
            {"name": name, "rows": count, "bytes": size, "source": name, "etag": ""}
            for name, count, size in zip(names, rows, sizes, strict=True)
        ),
    )
