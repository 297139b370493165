"""When each partition was last read: ClickHouse's side, the table `readings`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.finality import Moments
from pipelines.destinations.layout import Place


class WarehouseReadings:
    """The readings of one raw table."""

    def __init__(self, manager: ClickHouseManager, place: Place) -> None:
        self._manager, self._place = manager, place

    def noted(self) -> dict[str, dict[str, datetime]]:
        """The noted moments by partition."""
        sql = 'select "partition", member, read_at from readings final where word = %(word)s'
        return _by_partition(self._manager.execute(sql, {"word": self._place.word}))

    def note(self, partition: str, moments: Moments) -> None:
        """Remember that a partition was read."""
        self._manager.execute_many(
            "insert into readings (word, partition, member, read_at) values",
            [(self._place.word, partition, member, at) for member, at in moments.items()],
            repeatable=True,  # ReplacingMergeTree
        )

    def counts(self) -> Mapping[str, int]:
        """The raw rows of each published partition."""
        column = self._place.column
        sql = f"select {column}, count() from {self._place.raw_table} group by 1"
        return dict(self._manager.execute(sql))

    def rows(self, partition: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The published raw rows of a partition."""
        names = ", ".join(f"`{name}`" for name in schema.names)
        rows = self._manager.execute(
            f"select {names} from {self._place.raw_table} "
            f"where {self._place.column} = %(partition)s",
            {"partition": partition},
        )
        columns = [
            pa.array([row[place] for row in rows], field.type) for place, field in enumerate(schema)
        ]
        yield pa.table(columns, schema)

    def delivered(self, column: str) -> dict[str, dict[str, datetime]]:
        """By partition when its rows were delivered, for each member that `column` names."""
        member = f"ifNull({column}, '')" if column else "''"
        sql = (
            f"select {self._place.column}, {member}, max(x_delivered_at) "
            f"from {self._place.raw_table} group by 1, 2"
        )
        return _by_partition(self._manager.execute(sql))


def _by_partition(rows: list[tuple[str, str, datetime]]) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = {}
    for partition, member, at in rows:
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        found.setdefault(partition, {})[member] = moment
    return found
