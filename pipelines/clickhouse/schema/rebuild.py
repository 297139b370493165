"""Rebuild a normalised table from raw with the current rules, while readers read the old one.

It is filled beside the old one, partition by partition, and exchanged with it in one step. Only
then do the views change: whoever finds a view of old finds a table to rebuild, so that a killed
rebuild is done again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

from pipelines.clickhouse.schema.daily import DailyTable
from pipelines.clickhouse.schema.definitions import create_as, definition
from pipelines.clickhouse.schema.statements import View
from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
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
    ) -> None:
        self.manager, self.tables, self.views, self.daily = manager, tables, views, daily

    def changed(self, stored: Mapping[str, Rule]) -> set[str]:
        """The tables that other rules feed than `stored`."""
        if not stored:  # an empty database; or its views are all gone, and they are made after it
            return set(self.tables) & {view.target for view in self.views}
        wanted = {Rule(v.name, v.target, self._as_stored(v.select())) for v in self.views}
        return {r.target for r in wanted ^ set(stored.values()) if r.target in self.tables}

    def run(self, table: str, stored: Mapping[str, Rule], is_daily_old: bool = False) -> None:
        """Raises Busy while the table's source is loaded: what it publishes would be lost.

        Daily rows follow, unless all of them are made anew afterwards.
        """
        views = [view for view in self.views if view.target == table]
        source_name = table.removeprefix("normalized_")
        with ExitStack() as leases:
            leases.enter_context(leased(self.manager.config, source_name))
            fresh = create_as(self.manager, self.tables[table], table)
            for view in views:
                self._fill(fresh, view)
            self._keep_ingested(table, fresh, {view.raw for view in views})
            self.manager.execute(f"exchange tables {table} and {fresh}")
            if source_name in COST_SOURCES and not is_daily_old:
                self.daily.refill(source_name)
            for view in views:
                if view.name in stored:
                    self.manager.execute(f"alter table {view.name} modify query {view.select()}")
            self.manager.execute(f"drop table {fresh} sync")

    def refresh(self, stored: Mapping[str, Rule]) -> None:
        """Let the views' own columns follow a type of raw that changed."""
        for view in self.views:
            select = view.select()
            if view.name in stored and self._columns(view.name) != self._columns(f"({select})"):
                self.manager.execute(f"alter table {view.name} modify query {select}")

    def _columns(self, what: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.manager.execute(f"describe {what}")]

    def _fill(self, table: str, view: View) -> None:
        columns = ", ".join(f"`{name}`" for name, _ in self._columns(f"({view.select()})"))
        partitions = self.manager.execute(
            "select distinct partition_id from system.parts where database = currentDatabase() "
            "and table = %(raw)s and active",
            {"raw": view.raw},
        )
        for (partition,) in sorted(partitions):
            one = f"(select * from {view.raw} where _partition_id = {quoted(partition)})"
            self.manager.execute(f"insert into {table} ({columns}) {view.select(one)}")

    def _keep_ingested(self, table: str, fresh: str, raws: set[str]) -> None:
        """Move partitions that were ingested normalised: they have no raw data to rebuild from."""
        have = definition(self.manager, table).columns
        shared = ", ".join(f"`{n}`" for n in definition(self.manager, fresh).columns if n in have)
        in_raw = " ".join(
            f"and x_partition not in (select toString({self._partition_key(raw)}) from {raw})"
            for raw in sorted(raws)
        )
        self.manager.execute(
            f"insert into {fresh} ({shared}) select {shared} from {table} where true {in_raw}"
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
