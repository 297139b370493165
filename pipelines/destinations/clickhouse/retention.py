"""Retention on ClickHouse: old partitions are dropped, and the table `retention` remembers it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from pipelines.clickhouse.schema.daily import partition_of
from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import Selection
from pipelines.destinations.layout import RawTable
from pipelines.destinations.retention import Horizon
from pipelines.tables.daily import NAME
from pipelines.tables.sources import COST_SOURCES

_NOTED = "select first_kept, removing from retention final where word = %(word)s"
_KNOWN = 'select distinct "partition" from provider_partitions where word = %(word)s'


class WarehouseRetention:
    """One raw table of a database, and the table that readers read."""

    def __init__(self, manager: ClickHouseManager, raw_table: RawTable) -> None:
        self.manager, self.raw_table = manager, raw_table

    def now(self) -> datetime:
        """The server's clock: machines that prune may disagree."""
        found = self.manager.execute("select toUnixTimestamp(now())")[0][0]
        return datetime.fromtimestamp(found, UTC)

    def horizon(self) -> Horizon:
        """What was noted last; nothing in a database that has not been migrated yet."""
        try:
            rows = self.manager.execute(_NOTED, {"word": self.raw_table.source_name})
        except ClickHouseQueryError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            return Horizon()
        return Horizon(rows[0][0], tuple(rows[0][1])) if rows else Horizon()

    def note(self, horizon: Horizon) -> None:
        """One row, which replaces the last one, by the server's clock."""
        self.manager.execute_many(
            "insert into retention (word, first_kept, removing) values",
            [(self.raw_table.source_name, horizon.first, list(horizon.removing))],
            repeatable=True,  # ReplacingMergeTree
        )

    def partitions(self) -> list[str]:
        """Every partition that lies there, raw or normalised."""
        found: set[str] = set()
        for table, column in self._tables():
            rows = self.manager.execute(f"select distinct {column} from {table}")
            found.update(row[0] for row in rows)
        return sorted(found)

    def remove(self, partition: str) -> None:
        """Raw, then days, then normalised; views follow by themselves."""
        for table, _ in self._tables():
            self.manager.execute(f"alter table {table} drop partition {quoted(partition)}")
            if (
                self.raw_table.source_name in COST_SOURCES
                and table == self.raw_table.clickhouse_name
            ):
                literal = partition_of(self.raw_table.source_name, partition)
                self.manager.execute(f"alter table {NAME} drop partition {literal}")

    def forget(self, horizon: Horizon) -> None:
        """Delete the rows of what the provider has."""
        known = [
            row[0] for row in self.manager.execute(_KNOWN, {"word": self.raw_table.source_name})
        ]
        self.forget_unwanted([key for key in known if key not in Selection(horizon.first)])

    def forget_unwanted(self, partitions: Collection[str]) -> None:
        """Delete the rows of these partitions."""
        if partitions:
            listed = ", ".join(map(quoted, partitions))
            self.manager.execute(
                "alter table provider_partitions delete where word = "
                f"{quoted(self.raw_table.source_name)} "
                f'and "partition" in ({listed})',
                settings={"mutations_sync": 2},
            )

    def _tables(self) -> list[tuple[str, str]]:
        raw = (self.raw_table.clickhouse_name, self.raw_table.column)
        return [raw] if self.raw_table.raw_only else [raw, self.raw_table.read_table]
