"""When each partition was last read: the filesystem's side, one note beside a raw table's data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.finality import Moments
from pipelines.core.partition import Delivery, Run
from pipelines.destinations.filesystem.footers import rows_of
from pipelines.destinations.layout import RawTable
from pipelines.tables.overview import runs_schema

RUNS_KEPT = 1000  # about three years of nights


class Runs(Protocol):
    """What the note of a run needs of a store."""

    def runs(self, source_name: str) -> str:
        """The file of a source's runs."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A binary file, read by ranges."""

    def target(self, source_name: str) -> Path:
        """A local path for a file that is to be published."""

    def publish_file(self, source: Path, target: str) -> None:
        """Make a local file the published one, in one step."""


class Files(Runs, Protocol):
    """What readings need of a store: its notes, and the committed raw files."""

    def deliveries(
        self, raw_table: RawTable, on_damage: Callable[[Any], None] | None = None
    ) -> dict[str, Delivery]:
        """The committed raw partitions."""

    def raw_files(self, raw_table: RawTable, delivery: Delivery) -> list[str]:
        """The paths of a delivery's raw files, in order."""

    def read_note(self, raw_table: RawTable) -> str:
        """The note of the readings."""

    def read(self, path: str) -> bytes:
        """The content of a small file."""


def note_run(store: Runs, run: Run) -> None:
    """A row of a source's runs, or of the marts', in one small file of the newest ones."""
    path, row = store.runs(run.source_name), run.row()
    try:
        with store.open(path) as file:
            rows = rows_of(file)[1 - RUNS_KEPT :]
    except FileNotFoundError:
        rows = []
    target = store.target(run.source_name)
    pq.write_table(pa.Table.from_pylist([*rows, row], runs_schema()), target)
    store.publish_file(target, path)


class StoreReadings:
    """The readings of one raw table."""

    def __init__(self, store: Files, raw_table: RawTable) -> None:
        self._store, self._raw_table = store, raw_table

    def noted(self) -> dict[str, dict[str, datetime]]:
        """The noted moments by partition."""
        try:
            found = json.loads(self._store.read(self._store.read_note(self._raw_table)))
        except FileNotFoundError:
            return {}
        return {
            partition: {member: datetime.fromisoformat(at) for member, at in moments.items()}
            for partition, moments in found.items()
        }

    def note(self, moments: Mapping[str, Moments]) -> None:
        """Remember that partitions were read, in one small file that is replaced whole."""
        known = self.noted()
        known |= {key: {**known.get(key, {}), **found} for key, found in moments.items()}
        texts = {
            key: {member: at.isoformat() for member, at in sorted(known[key].items())}
            for key in sorted(known)
        }
        target = self._store.target(self._raw_table.source_name)
        target.write_text(json.dumps(texts, indent=1) + "\n")
        self._store.publish_file(target, self._store.read_note(self._raw_table))

    def note_run(self, run: Run) -> None:
        """Remember that a run ended."""
        note_run(self._store, run)

    def counts(self) -> Mapping[str, int]:
        """The raw rows of each published partition."""
        return {key: delivery.rows for key, delivery in self._deliveries().items()}

    def rows(self, partition: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The published raw rows of a partition; a column that they lack is NULL."""
        delivery = self._deliveries().get(partition)
        if delivery is None:
            return
        for path in self._store.raw_files(self._raw_table, delivery):
            with self._store.open(path) as file:
                found = pq.ParquetFile(file)
                names = [name for name in schema.names if name in found.schema_arrow.names]
                table = found.read(names)
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            yield pa.table(columns, schema)

    def values(self, partition: str, columns: Sequence[str]) -> set[tuple[str, ...]]:
        """The distinct texts of columns in a partition; NULL is ''."""
        shape = pa.schema([(name, pa.string()) for name in columns])
        tables = (
            table.group_by(list(columns)).aggregate([]) for table in self.rows(partition, shape)
        )
        rows = (row for table in tables for row in table.to_pylist())
        return {tuple(row[name] or "" for name in columns) for row in rows}

    def delivered(self, column: str) -> dict[str, dict[str, datetime]]:
        """By partition when it was delivered, by member; without a column when it was loaded."""
        if not column:
            return {key: {"": each.loaded_at} for key, each in self._deliveries().items()}
        return {
            key: dict.fromkeys(sorted(self._members(key, column)), delivery.delivered_at)
            for key, delivery in self._deliveries().items()
        }

    def _members(self, partition: str, column: str) -> set[str]:
        shape = pa.schema([(column, pa.string())])
        tables = self.rows(partition, shape)
        return {str(name) for table in tables for name in table[column].unique().to_pylist()}

    def _deliveries(self) -> dict[str, Delivery]:
        return self._store.deliveries(self._raw_table, on_damage=lambda damage: None)
