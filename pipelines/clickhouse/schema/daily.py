"""`costs_daily` in ClickHouse: the select that makes its rows, and how a migration fills it.

Grouping by forty columns takes four times as long as all else, so lines are grouped by two 64-bit
hashes of their keys, which ClickHouse takes of the dictionary of a LowCardinality column and not of
every row; the first line of each group shows its keys. Two groups could become one only where both
hashes agree, and even then every total would be right. Tests compare the rows with those of the
plain `select_of`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

from pipelines.clickhouse.schema.rebuilding.batches import (
    Batches,
    Delivered,
    contents,
    create_unfinished,
    deliveries,
)
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.patience import RowsMissing, until_seen
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.digests import hex_digest
from pipelines.core.partition import PartitionError, Progress
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
    hashed = [columns[key] for key in keys]
    hashes = ", ".join(_hash(hashed, function) for function in _HASHES)
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


def require_rules(comment: str | None, database: str, tag_columns: Sequence[str]) -> None:
    """Raises PartitionError when the table with this comment has other rules or tag columns."""
    if comment != daily.rules(tag_columns):
        raise PartitionError(
            f"{daily.NAME} of {database} has other rules, or other "
            "normalize.tag_columns, than this installation. Run: make init-clickhouse"
        )


def partition_of(source_name: str, partition: str) -> str:
    """The literal of a partition of `costs_daily`."""
    return f"({quoted(source_name)}, {quoted(partition)})"


class DailyTable:
    """Fills `costs_daily` of a database from the normalised tables of the cost sources."""

    def __init__(
        self,
        manager: ClickHouseManager,
        text: str,
        tag_columns: Sequence[str],
        progress: Progress | None = None,
    ) -> None:
        self.manager, self.text, self.tag_columns = manager, text, tag_columns
        self.progress = progress or Progress()
        self._prepared: dict[str, set[str]] = {}  # the partitions of a source, as this run knows

    def fresh_name(self, source_name: str = "") -> str:
        """Where it is filled, for one source or for all: another name for other rules."""
        middle = f"_{source_name}" if source_name else ""
        return f"_new_{daily.NAME}{middle}_{hex_digest([self.text], 8)}"

    def rebuild(self) -> None:
        """Every partition anew, beside the table that readers read; then the two are exchanged.

        Loads go on meanwhile; what they publish is made good before the exchange, for which no
        source may be loaded. Raises Busy then: the next migration goes on there.
        """
        fresh = self.fresh_name()
        create_unfinished(self.manager, self.text, daily.NAME, fresh)
        for source_name in COST_SOURCES:
            self._fill(fresh, source_name, f"normalized_{source_name}")
        with ExitStack() as leases:
            for source_name in COST_SOURCES:
                leases.enter_context(leased(self.manager.config, source_name))
            for source_name in COST_SOURCES:
                self._await_lines(source_name)
                self._fill(fresh, source_name, f"normalized_{source_name}")
            rules = quoted(daily.rules(self.tag_columns))
            self.manager.execute(f"alter table {fresh} modify comment {rules}")
            self.manager.execute(f"exchange tables {daily.NAME} and {fresh}")
            self.manager.execute(f"drop table {fresh} sync")

    def prepare(self, source_name: str, lines: str, partitions: set[str]) -> None:
        """Make the days of one source, whose lines are in another table, beside the others.

        `partitions` are those that were filled there, and that have to be seen.
        """
        fresh = self.fresh_name(source_name)
        create_unfinished(self.manager, self.text, daily.NAME, fresh)
        where = f"x_source = {quoted(source_name)}"

        def check(seen: Set[str]) -> None:
            if missing := partitions - seen:
                raise RowsMissing(f"{lines}: {min(missing)} is not seen yet. Run again.")

        config = self.manager.config
        until_seen(config, lambda: check(deliveries(self.manager, lines, where).keys()))
        filled = self._fill(fresh, source_name, lines)
        check(filled)  # another replica may have shown fewer
        self._prepared[source_name] = filled

    def publish(self, source_name: str) -> None:
        """What was prepared takes the place of the source's days. The caller holds its lease."""
        fresh = self.fresh_name(source_name)
        have = self._days(source_name)
        made = self._prepared.get(source_name)
        if made is None:  # a killed run prepared them, long enough ago for every replica
            made = set(deliveries(self.manager, fresh))
        for partition in sorted(made | have.keys()):
            literal = partition_of(source_name, partition)
            how = f"replace partition {literal} from {fresh}"
            if partition not in made:
                how = f"drop partition {literal}"
            self.manager.execute(f"alter table {daily.NAME} {how}")
        self.manager.execute(f"drop table {fresh} sync")

    def complete(self) -> list[str]:
        """Make the partitions that are missing or of another delivery; the sources that had any.

        Days stay whose lines are not seen: a replica that lags behind can show it like that.
        """
        found = []
        for source_name in COST_SOURCES:
            if self._lines(source_name) == self._days(source_name):
                continue
            with leased(self.manager.config, source_name):
                self._await_lines(source_name)
                have = self._days(source_name)
                if all(have.get(key) == each for key, each in self._lines(source_name).items()):
                    continue
                self._fill(daily.NAME, source_name, f"normalized_{source_name}", keep=have)
            found.append(source_name)
        return found

    def _await_lines(self, source_name: str) -> None:
        """Wait for the lines of the days that are published, which a replica may show later."""

        def check() -> None:
            lines, days = self._lines(source_name), self._days(source_name)
            if other := sorted(key for key in days if lines.get(key) != days[key]):
                drop = f"alter table {daily.NAME} drop partition"
                raise RowsMissing(
                    f"{daily.NAME} of {source_name} {', '.join(other)}: normalized_{source_name} "
                    "does not show the lines of these days. The next load makes them agree; of a "
                    f"partition that the provider does not have any more, drop the days: {drop} "
                    f"{partition_of(source_name, other[0])}"
                )

        try:
            until_seen(self.manager.config, check)
        except RowsMissing as error:
            log.warning("%s", error)

    def _lines(self, source_name: str) -> dict[str, Delivered]:
        where = f"x_source = {quoted(source_name)}"
        return deliveries(self.manager, f"normalized_{source_name}", where)

    def _days(self, source_name: str) -> dict[str, Delivered]:
        return deliveries(self.manager, daily.NAME, f"x_source = {quoted(source_name)}")

    def _fill(
        self, fresh: str, source_name: str, lines: str, keep: Mapping[str, Delivered] | None = None
    ) -> set[str]:
        """Fill a table with the days of lines; their partitions. Those of `keep` stay."""
        where = f"x_source = {quoted(source_name)}"
        literal, measure = partial(partition_of, source_name), f"sum({daily.LINES})"
        wanted, rows = contents(self.manager, lines, where)

        def insert(staged: str, batch: Sequence[str]) -> Mapping[str, int]:
            self._insert(staged, lines, batch)
            return {key: rows[key] for key in batch}

        return Batches(self.manager, fresh, self.progress, literal, measure).fill(
            f"{daily.NAME} of {source_name}", {**(keep or {}), **wanted}, rows, insert, where
        )

    def _insert(self, target: str, source: str, partitions: Sequence[str]) -> None:
        """From a private table with the same parts, which stay as they are while it is read."""
        lines = f"_new_lines_{uuid4().hex[:8]}"
        self.manager.execute(f"create table {lines} as {source} {UNMERGED}")
        for partition in partitions:
            self.manager.execute(
                f"alter table {lines} attach partition {quoted(partition)} from {source}"
            )
        self.manager.execute(insert_daily(target, lines, self.tag_columns))
        self.manager.execute(f"drop table {lines} sync")
