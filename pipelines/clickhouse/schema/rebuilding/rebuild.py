"""Rebuild a normalised table from raw with the current rules, while readers read the old one.

It is filled beside the old one in batches of partitions (batches.py), and its daily rows beside the
old ones; then they are exchanged. Only then do the views change: whoever finds a view of old finds
a table to rebuild. A killed rebuild goes on with what it had filled, or, when it had exchanged the
tables, with what is left to do: until the end the new table says that it is unfinished.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pipelines.clickhouse.schema.daily import DailyTable
from pipelines.clickhouse.schema.definitions import create_temporarily, definition
from pipelines.clickhouse.schema.rebuilding.batches import (
    Batches,
    Delivered,
    contents,
    create_unfinished,
    is_unfinished,
)
from pipelines.clickhouse.schema.statements import View
from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.digests import hex_digest
from pipelines.core.partition import Progress
from pipelines.tables.sources import COST_SOURCES

_TO = re.compile(r"\bTO (?:(?:`[^`]+`|\w+)\.)?`?(\w+)`?")
_STORED = """
select name, as_select, create_table_query from system.tables
where database = currentDatabase() and engine = 'MaterializedView'
    and startsWith(name, 'normalize_')
"""


@dataclass(frozen=True)
class Rule:
    """A materialized view as the server has it: the table that it feeds, and by which select."""

    name: str
    target: str
    select: str


def stored_rules(manager: ClickHouseManager) -> dict[str, Rule]:
    """The rules that the database applies now, by name, as the server writes them down."""
    found = {}
    for name, select, query in manager.execute(_STORED):
        target = _TO.search(query)
        found[name] = Rule(name, target[1] if target else "", select)
    return found


class Rebuild:
    """Rebuilding the normalised tables of one database."""

    def __init__(
        self,
        manager: ClickHouseManager,
        tables: Mapping[str, str],
        views: Sequence[View],
        daily: DailyTable,
        progress: Progress,
    ) -> None:
        self.manager, self.tables, self.views, self.daily = manager, tables, views, daily
        self.progress = progress

    def changed(self, stored: Mapping[str, Rule]) -> set[str]:
        """The tables that other rules feed than `stored`."""
        if not stored:  # an empty database; or its views are all gone, and they are made after it
            return set(self.tables) & {view.target for view in self.views}
        wanted = {Rule(v.name, v.target, self._as_stored(v.select())) for v in self.views}
        return {r.target for r in wanted ^ set(stored.values()) if r.target in self.tables}

    def fresh_name(self, table: str) -> str:
        """Where it is filled: another name for other rules."""
        selects = [view.select() for view in self.views if view.target == table]
        return f"_new_{table}_{hex_digest([self.tables[table], *selects], 8)}"

    def size_of(self, table: str) -> tuple[int, int]:
        """How many partitions and rows are to be read again."""
        counts = self._to_fill(table)[1]
        return len(counts), sum(counts.values())

    def run(self, table: str, stored: Mapping[str, Rule], is_daily_old: bool = False) -> None:
        """Raises Busy while the table's source is loaded: what it publishes would be lost.

        Daily rows follow, unless all of them are made anew afterwards.
        """
        views = [view for view in self.views if view.target == table]
        source_name, fresh = table.removeprefix("normalized_"), self.fresh_name(table)
        has_days = source_name in COST_SOURCES and not is_daily_old
        with leased(self.manager.config, source_name):
            if not is_unfinished(self.manager, table):
                filled = self._fill(table, fresh)
                if has_days:
                    self.daily.prepare(source_name, fresh, filled)
                self.manager.execute(f"exchange tables {table} and {fresh}")
            if has_days:
                self.daily.publish(source_name)
            for view in views:
                if view.name in stored:
                    self.manager.execute(f"alter table {view.name} modify query {view.select()}")
                    comment = quoted(view.comment)  # by which a load knows the view
                    self.manager.execute(f"alter table {view.name} modify comment {comment}")
            self._finish(table)
            self.manager.execute(f"drop table if exists {fresh} sync")

    def _finish(self, table: str) -> None:
        with create_temporarily(self.manager, {table: self.tables[table]}) as scratches:
            comment = definition(self.manager, scratches[table]).comment
        self.manager.execute(f"alter table {table} modify comment {quoted(comment)}")

    def refresh(self, stored: Mapping[str, Rule]) -> None:
        """Let the views' own columns follow a type of raw that changed."""
        for view in self.views:
            select = view.select()
            if view.name in stored and self._columns(view.name) != self._columns(f"({select})"):
                self.manager.execute(f"alter table {view.name} modify query {select}")

    def _columns(self, what: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.manager.execute(f"describe {what}")]

    def _fill(self, table: str, fresh: str) -> set[str]:
        """The partitions that have rows."""
        create_unfinished(self.manager, self.tables[table], table, fresh)
        wanted, rows, ingested = self._to_fill(table)
        views = [view for view in self.views if view.target == table]

        def insert(staged: str, batch: Sequence[str]) -> Mapping[str, int]:
            made = {key: rows[key] for key in batch if key in ingested}
            self._keep(table, staged, [*made])
            for view in views:
                found = self._normalise(staged, view, [key for key in batch if key not in ingested])
                made |= {key: made.get(key, 0) + count for key, count in found.items()}
            return made

        return Batches(self.manager, fresh, self.progress).fill(table, wanted, rows, insert)

    def _to_fill(self, table: str) -> tuple[dict[str, Delivered], dict[str, int], set[str]]:
        """Deliveries and rows of its partitions, and those that were ingested normalised."""
        wanted, rows = dict[str, Delivered](), dict[str, int]()
        for raw in sorted({view.raw for view in self.views if view.target == table}):
            key = self._partition_key(raw)
            delivered, counted = contents(self.manager, raw, key=key)
            wanted |= delivered
            rows |= counted
        have, counted = contents(self.manager, table)
        ingested = have.keys() - wanted.keys()
        rows |= {key: counted[key] for key in ingested}
        return wanted | {key: have[key] for key in ingested}, rows, ingested

    def _normalise(self, staged: str, view: View, batch: Sequence[str]) -> dict[str, int]:
        """How many rows the view makes of each partition, as its select says."""
        if not batch:
            return {}
        columns = ", ".join(f"`{name}`" for name, _ in self._columns(f"({view.select()})"))
        keys = ", ".join(map(quoted, batch))
        some = f"(select * from {view.raw} where {self._partition_key(view.raw)} in ({keys}))"
        self.manager.execute(f"insert into {staged} ({columns}) {view.select(some)}")
        sql = f"select x_partition, count() from ({view.select(some)}) group by 1"
        return dict(self.manager.execute(sql))

    def _keep(self, table: str, staged: str, batch: Sequence[str]) -> None:
        """Copy partitions that were ingested normalised: they have no raw data to rebuild from."""
        if not batch:
            return
        have = definition(self.manager, table).columns
        shared = ", ".join(f"`{n}`" for n in definition(self.manager, staged).columns if n in have)
        keys = ", ".join(map(quoted, batch))
        self.manager.execute(
            f"insert into {staged} ({shared}) select {shared} from {table} "
            f"where x_partition in ({keys})"
        )

    def _partition_key(self, raw: str) -> str:
        return definition(self.manager, raw).keys[1]

    def _as_stored(self, select: str) -> str:
        """A select as the server would write it down; '' when it reads what is not there."""
        scratch = f"_probe_{uuid4().hex[:8]}"
        try:
            self.manager.execute(f"create view {scratch} as {select}")
        except ClickHouseQueryError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            return ""
        try:
            sql = "select as_select from system.tables where database = currentDatabase()"
            rows = self.manager.execute(f"{sql} and name = %(name)s", {"name": scratch})
            return str(rows[0][0])
        finally:
            self.manager.execute(f"drop view if exists {scratch}")
