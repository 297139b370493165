"""When each partition was last read: ClickHouse's side, the table `readings`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.finality import Moments
from pipelines.core.partition import Run
from pipelines.destinations.layout import RawTable


class WarehouseReadings:
    """The readings of one raw table."""

    def __init__(self, manager: ClickHouseManager, raw_table: RawTable) -> None:
        self._manager, self._raw_table = manager, raw_table

    def noted(self) -> dict[str, dict[str, datetime]]:
        """The noted moments by partition."""
        sql = 'select "partition", member, read_at from readings final where word = %(word)s'
        return _by_partition(self._manager.execute(sql, {"word": self._raw_table.source_name}))

    def note(self, moments: Mapping[str, Moments]) -> None:
        """Remember that partitions were read."""
        self._manager.execute_many(
            "insert into readings (word, partition, member, read_at) values",
            [
                (self._raw_table.source_name, partition, member, at)
                for partition, found in moments.items()
                for member, at in found.items()
            ],
            repeatable=True,  # ReplacingMergeTree
        )

    def note_run(self, run: Run) -> None:
        """Remember that a run ended."""
        note_run(self._manager, run)

    def counts(self) -> Mapping[str, int]:
        """The raw rows of each published partition."""
        column = self._raw_table.column
        sql = f"select {column}, count() from {self._raw_table.clickhouse_name} group by 1"
        return dict(self._manager.execute(sql))

    def rows(self, partition: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The published raw rows of a partition."""
        found = self._manager.execute(f"describe table {self._raw_table.clickhouse_name}")
        have = {row[0] for row in found}  # an older table lacks the newest columns
        names = ", ".join(f"`{n}`" if n in have else f"null as `{n}`" for n in schema.names)
        rows = self._manager.execute(
            f"select {names} from {self._raw_table.clickhouse_name} "
            f"where {self._raw_table.column} = %(partition)s",
            {"partition": partition},
        )
        columns = [
            pa.array([row[at] for row in rows], field.type) for at, field in enumerate(schema)
        ]
        yield pa.table(columns, schema)

    def values(self, partition: str, columns: Sequence[str]) -> set[tuple[str, ...]]:
        """The distinct texts of columns in a partition; NULL is ''."""
        names = ", ".join(f"ifNull(`{name}`, '')" for name in columns)
        rows = self._manager.execute(
            f"select distinct {names} from {self._raw_table.clickhouse_name} "
            f"where {self._raw_table.column} = %(partition)s",
            {"partition": partition},
        )
        return set(rows)

    def delivered(self, column: str) -> dict[str, dict[str, datetime]]:
        """By partition when it was delivered, by member; without a column when it was loaded."""
        sql = "select \"partition\", '', loaded_at from raw_partitions where word = %(word)s"
        if column:
            sql = (
                f"select {self._raw_table.column}, ifNull({column}, ''), max(x_delivered_at) "
                f"from {self._raw_table.clickhouse_name} group by 1, 2"
            )
        return _by_partition(self._manager.execute(sql, {"word": self._raw_table.source_name}))


def note_run(manager: ClickHouseManager, run: Run) -> None:
    """A row of `runs`: of a source, or of the marts."""
    row = run.row()
    manager.execute_many(f"insert into runs ({', '.join(row)}) values", [tuple(row.values())])


def _by_partition(rows: list[tuple[str, str, datetime]]) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = {}
    for partition, member, at in rows:
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        found.setdefault(partition, {})[member] = moment
    return found
