"""`costs_daily` in ClickHouse: the select that makes its rows, and how a migration fills it.

Grouping by forty columns takes four times as long as all else, so lines are grouped by two 64-bit
hashes of their keys, which ClickHouse takes of the dictionary of a LowCardinality column and not of
every row; the first line of each group shows its keys. Two groups could become one only where both
hashes agree, and even then every total would be right. Tests compare the rows with those of the
plain `select_of`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from uuid import uuid4

from pipelines.clickhouse.schema.definitions import create_as
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import PartitionError
from pipelines.tables import daily
from pipelines.tables.schema import Column
from pipelines.tables.sources import COST_SOURCES

log = logging.getLogger(__name__)

_PLACE = "lines._part_starting_offset + lines._part_offset"
_HASHES = "cityHash64", "sipHash64"
_FACTOR = "11400714819323198485"
UNMERGED = (
    "settings max_bytes_to_merge_at_max_space_in_pool = 1, "
    "max_bytes_to_merge_at_min_space_in_pool = 1"
)


def insert_daily(target: str, lines: str, tag_columns: Sequence[str]) -> str:
    """A statement that sums up the cost lines of a private table, which nothing may merge."""
    keys = daily.key_names(tag_columns)
    columns = {column.name: column for column in daily.daily_columns(tag_columns)}
    hashes = ", ".join(
        _hash([columns[key] for key in keys], of) for of in ("cityHash64", "sipHash64")
    )
    sums = ", ".join(f"sum({n}) as sum_{n}, count({n}) as count_{n}" for n in daily.SUMS)
    sums += ", count(billed_cost + effective_cost) as count_cost"
    shown = ", ".join(f"{_shown(name, keys)} as {name}" for name in columns)
    return (
        f"insert into {target} ({', '.join(columns)}) select {shown} from {lines} as lines "
        f"inner join (select min({_PLACE}) as place, count() as counted, {sums} "
        f"from {lines} as lines group by {hashes}) as days on {_PLACE} = days.place"
    )


def _hash(keys: Sequence[Column], function: str) -> str:
    """A number of all key columns; one factor per column keeps their order apart."""
    found = "toUInt64(0)"
    for key in keys:
        one = f"{function}({daily.key(key.name)})"
        found = f"({found}) * {_FACTOR} + {f'ifNull({one}, 0)' if key.nullable else one}"
    return found


def _shown(name: str, keys: Sequence[str]) -> str:
    if name in keys:
        return daily.key(name)
    if name in daily.SUMS:
        return f"if(days.count_{name} = 0, null, days.sum_{name})"
    if name == daily.LINES:
        return "toInt64(days.counted)"
    if name == daily.WITHOUT_COST:
        return "toInt64(days.counted - days.count_cost)"
    of = next(each for each in daily.SUMS if daily.without(each) == name)
    return f"toInt64(days.counted - days.count_{of})"


def require_rules(manager: ClickHouseManager, tag_columns: Sequence[str]) -> None:
    """Raises PartitionError when the table was made for other rules or tag columns."""
    sql = "select comment from system.tables where database = currentDatabase() and name = %(name)s"
    if manager.execute(sql, {"name": daily.NAME}) != [(daily.rules(tag_columns),)]:
        raise PartitionError(
            f"{daily.NAME} of {manager.config.database} has other rules, or other "
            "normalize.tag_columns, than this installation. Run: make init-clickhouse"
        )


def partition_of(source_name: str, partition: str) -> str:
    """The literal of a partition of `costs_daily`."""
    return f"({quoted(source_name)}, {quoted(partition)})"


class DailyTable:
    """Fills `costs_daily` of a database from the normalised tables of the cost sources."""

    def __init__(self, manager: ClickHouseManager, text: str, tag_columns: Sequence[str]) -> None:
        self.manager, self.text, self.tag_columns = manager, text, tag_columns

    def rebuild(self) -> None:
        """Every partition anew, beside the table that readers read; then the two are exchanged."""
        with ExitStack() as leases:
            for source_name in COST_SOURCES:
                leases.enter_context(leased(self.manager.config, source_name))
            fresh = create_as(self.manager, self.text, daily.NAME)
            for source_name in COST_SOURCES:
                for partition in self._lines(source_name):
                    self._fill(fresh, source_name, partition)
            self.manager.execute(f"exchange tables {daily.NAME} and {fresh}")
            self.manager.execute(f"drop table {fresh} sync")

    def refill(self, source_name: str) -> None:
        """The partitions of one source, whose lines were rebuilt. The caller holds its lease."""
        for partition in sorted(self._lines(source_name).keys() | self._days(source_name).keys()):
            self._replace(source_name, partition)

    def complete(self) -> list[str]:
        """Make the partitions that are missing or of another delivery; the sources that had any."""
        found = []
        for source_name in COST_SOURCES:
            if self._lines(source_name) == self._days(source_name):
                continue
            with leased(self.manager.config, source_name):
                lines, days = self._lines(source_name), self._days(source_name)
                for partition in sorted(lines.keys() | days.keys()):
                    if lines.get(partition) != days.get(partition):
                        self._replace(source_name, partition)
            found.append(source_name)
        return found

    def _lines(self, source_name: str) -> dict[str, tuple[str, ...]]:
        return self._fingerprints(f"normalized_{source_name}", source_name)

    def _days(self, source_name: str) -> dict[str, tuple[str, ...]]:
        return self._fingerprints(daily.NAME, source_name)

    def _fingerprints(self, table: str, source_name: str) -> dict[str, tuple[str, ...]]:
        sql = (
            f"select x_partition, arraySort(groupUniqArray(x_fingerprint)) from {table} "
            "where x_source = %(word)s group by 1"
        )
        return {
            key: tuple(fingerprints)
            for key, fingerprints in self.manager.execute(sql, {"word": source_name})
        }

    def _replace(self, source_name: str, partition: str) -> None:
        staged = f"_new_{daily.NAME}_{uuid4().hex[:8]}"
        self.manager.execute(f"create table {staged} as {daily.NAME}")
        self._fill(staged, source_name, partition)
        literal = partition_of(source_name, partition)
        if self.manager.execute(f"select count() from {staged}")[0][0]:
            how = f"replace partition {literal} from {staged}"
        else:
            how = f"drop partition {literal}"
        self.manager.execute(f"alter table {daily.NAME} {how}")
        self.manager.execute(f"drop table {staged} sync")

    def _fill(self, target: str, source_name: str, partition: str) -> None:
        """From a private table with the same parts, which stay as they are while it is read."""
        lines, source = f"_new_lines_{uuid4().hex[:8]}", f"normalized_{source_name}"
        self.manager.execute(f"create table {lines} as {source} {UNMERGED}")
        self.manager.execute(
            f"alter table {lines} attach partition {quoted(partition)} from {source}"
        )
        self.manager.execute(insert_daily(target, lines, self.tag_columns))
        self.manager.execute(f"drop table {lines} sync")
