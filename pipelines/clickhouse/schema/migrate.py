"""Bring a database to what sql/*.sql say: from nothing, or from an older version of it.

Every statement is safe to repeat, and a killed migration goes on where it stopped. A table gets
the columns it lacks. A normalised table whose own definition or whose rules have changed (a view,
a lookup, a configured tag) is rebuilt from raw: pipelines/clickhouse/schema/rebuilding/rebuild.py.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipelines.clickhouse.schema.daily import DailyTable
from pipelines.clickhouse.schema.definitions import Definition, create_temporarily, definitions
from pipelines.clickhouse.schema.rebuilding.batches import UNFINISHED, is_unfinished
from pipelines.clickhouse.schema.rebuilding.rebuild import Rebuild, Rule, stored_rules
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.schema.statements import Statement, statements
from pipelines.clickhouse.schema.versions import warn_of
from pipelines.clickhouse.server.cluster import all_replicas
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.digests import hex_digest
from pipelines.core.partition import Busy, Progress
from pipelines.tables import daily
from pipelines.tables.shapes import RETIRED_MARTS
from pipelines.tables.sources import COST_SOURCES

log = logging.getLogger(__name__)

Tell = Callable[[str], None]

TO_REWRITE = "to read again: "
LEASE = "schema"  # its name: two migrations at once would drop each other's scratch tables
_VERSION = "_schema_version"
_CARRIED = "_deliveries"  # until 0.1 dlt carried a row per publishing into <raw table>_deliveries
_LOCK = re.compile(r"_lock_(\w+)__\d+")


def version(database: str, tag_columns: Sequence[str], folder: Path = SQL) -> str:
    """A digest of every statement, so it changes when any statement does."""
    text = "\n".join([*(s.text for s in statements(database, tag_columns, folder)), _CARRIED])
    return hex_digest([text], 16)


def is_current(config: ClickHouseConfig, tag_columns: Sequence[str], folder: Path = SQL) -> bool:
    """Whether `migrate` would have nothing to do, by the version that it left on each replica."""
    wanted = version(config.database, tag_columns, folder)
    tables, servers = (all_replicas(config.cluster, f"system.{n}") for n in ("tables", "one"))
    sql = (
        f"select comment, count() = (select count() from {servers}) from {tables} "
        "where database = %(d)s and name = %(n)s group by comment"
    )
    with ClickHouseManager(config.with_database("default")) as manager:
        return manager.execute(sql, {"d": config.database, "n": _VERSION}) == [(wanted, 1)]


def migrate(
    config: ClickHouseConfig,
    tag_columns: Sequence[str],
    tell: Tell = log.info,
    folder: Path = SQL,
    progress: Progress | None = None,
) -> None:
    """Run every statement of `folder`; `tell` hears a line for each thing that changed.

    `progress` hears of the batches of partitions in which tables are rebuilt.

    Raises ClickHouseError, and Busy while another migration or a load that it would disturb runs.
    Repeating it after any failure goes on where it stopped.
    """
    _create_database(config)
    wanted = list(statements(config.database, tag_columns, folder))
    stamp = quoted(version(config.database, tag_columns, folder))
    with leased(config, LEASE), ClickHouseManager(config) as manager:
        if fault := warn_of(manager.execute("select version()")[0][0]):
            tell("; ".join(fault))
        _Migration(manager, wanted, tag_columns, tell, progress or Progress()).run()
        manager.execute(f"create table if not exists {_VERSION} (x UInt8) engine = Memory")
        manager.execute(f"alter table {_VERSION} modify comment {stamp}")


def _create_database(config: ClickHouseConfig) -> None:
    """Only when it is missing: a user may have all rights in it and none to create it."""
    with ClickHouseManager(config.with_database("default")) as manager:
        sql = "select count() from system.databases where name = %(name)s"
        if not manager.execute(sql, {"name": config.database})[0][0]:
            manager.execute(f"create database if not exists `{config.database}`")


class _Migration:
    def __init__(
        self,
        manager: ClickHouseManager,
        wanted: Sequence[Statement],
        tag_columns: Sequence[str],
        tell: Tell,
        progress: Progress,
    ) -> None:
        self.manager, self.wanted, self.tell = manager, wanted, tell
        self.have = {row[0] for row in manager.execute("show tables")}
        tables = [s for s in wanted if s.kind == "table"]
        self.tables = {s.name: s.text for s in tables if not s.is_mart}
        self.marts = {s.name: s.text for s in tables if s.is_mart}
        self.views = [s.view for s in wanted if s.view]
        self.daily = DailyTable(manager, self.tables[daily.NAME], tag_columns, progress)
        self.rebuild = Rebuild(manager, self.tables, self.views, self.daily, progress)

    def run(self) -> None:
        self._drop_leftovers()
        changed = self._tables()
        self._create_marts()
        stored = stored_rules(self.manager)
        rebuilt = sorted(changed | self.rebuild.changed(stored) & self.have)
        if rebuilt:  # readers' views name columns, which every table has by now
            self._run_views()
        is_daily_old = daily.NAME in changed
        self._rebuild(sorted({*rebuilt} - {daily.NAME}), stored, is_daily_old)
        self._days(is_daily_old)
        self.rebuild.refresh(stored)
        for name in sorted(stored.keys() - {view.name for view in self.views}):
            self.manager.execute(f"drop view if exists `{name}` sync")
            self.tell(f"dropped materialized view {name}")
        for statement in self.wanted:
            if statement.kind in ("view", "materialized view"):
                self._view(statement)
        self._comment_views()

    def _rebuild(self, tables: Sequence[str], stored: Mapping[str, Rule], is_old: bool) -> None:
        """Each table that can be; raises Busy at the end for those whose sources are loaded."""
        sizes = {table: self.rebuild.size_of(table) for table in tables}
        if listed := [f"{table}: {_many(*size)}" for table, size in sizes.items() if size[1]]:
            self.tell(f"{TO_REWRITE}{'; '.join(listed)}")
        busy: list[Busy] = []
        for table in tables:
            try:
                self.rebuild.run(table, stored, is_old)
            except Busy as error:
                busy.append(error)
                continue
            self.tell(f"rebuilt {table} from raw with the current columns and rules")
        if busy:
            raise busy[0]

    def _create_marts(self) -> None:
        """Those that are missing; one of another version is replaced when it is computed."""
        for name, text in self.marts.items():
            if name not in self.have:
                self.manager.execute(text)
                self.tell(f"created table {name}")

    def _days(self, is_old: bool) -> None:
        if is_old:
            self.daily.rebuild()
            self.tell(f"rebuilt {daily.NAME} with the current columns and rules")
        for source_name in self.daily.complete():
            self.tell(f"filled {daily.NAME} of {source_name}")

    def _tables(self) -> set[str]:
        """Create or complete every table; those that have to be rebuilt."""
        here = {name: text for name, text in self.tables.items() if name in self.have}
        with create_temporarily(self.manager, here) as scratches:
            found = definitions(self.manager, [*here, *scratches.values()])
        rebuilt = set()
        for name, text in self.tables.items():
            if name not in here:
                self.manager.execute(text)
                self.tell(f"created table {name}")
            elif self._complete(name, found[scratches[name]], found[name]):
                rebuilt.add(name)
        return rebuilt

    def _complete(self, name: str, want: Definition, have: Definition) -> bool:
        """Add what a table lacks. True when it has to be rebuilt: its rows come from raw."""
        is_made = any(view.target == name for view in self.views)
        is_rebuilt = is_made and (want.shape != have.shape or have.comment == UNFINISHED)
        if name == daily.NAME:  # its comment names its rules
            is_rebuilt = (want.shape, want.comment) != (have.shape, have.comment)
        for change, line in _changes(name, want, have):
            if is_rebuilt and not change.startswith("add column"):
                continue  # the new table has it; what readers' views name has to be here before
            self.manager.execute(f"alter table {name} {change}")
            if line and not is_rebuilt:
                self.tell(line)
        return is_rebuilt

    def _run_views(self) -> None:
        """Replace the views that readers read, before tables become others under them."""
        for statement in self.wanted:
            if statement.kind == "view":
                self.manager.execute(statement.text)

    def _view(self, statement: Statement) -> None:
        if statement.name not in self.have or statement.kind == "view":
            self.manager.execute(statement.text)
            if statement.name not in self.have:
                self.tell(f"created {statement.kind} {statement.name}")

    def _comment_views(self) -> None:
        """Last, since a load takes a view with this comment for one with these rules."""
        sql = "select name, comment from system.tables where database = currentDatabase()"
        have: dict[str, str] = dict(self.manager.execute(f"{sql} and engine = 'MaterializedView'"))
        for view in self.views:
            if have.get(view.name) != view.comment:
                self.manager.execute(
                    f"alter table {view.name} modify comment {quoted(view.comment)}"
                )

    def _drop_leftovers(self) -> None:
        """What a killed migration and older versions left; nobody reads these."""
        fresh = {self.rebuild.fresh_name(view.target) for view in self.views}
        days = {self.daily.fresh_name(source_name) for source_name in ("", *COST_SOURCES)}
        for name in sorted(n for n in self.have if n.startswith(("_new_", "_probe_"))):
            if name in fresh | days and is_unfinished(self.manager, name):
                continue  # the rebuild goes on with it
            self.manager.execute(f"drop table if exists `{name}` sync")
        for name in sorted(self.have & _carriers(self.tables)):
            self.manager.execute(f"drop table if exists `{name}` sync")
            self.tell(f"dropped table {name}, which is no longer used")
        for name in sorted(self.have & {*RETIRED_MARTS}):
            self.manager.execute(f"drop table if exists `{name}` sync")
            self.tell(f"dropped {name}, which is no longer computed")
        locks = {found[1] for name in self.have if (found := _LOCK.fullmatch(name))}
        for source_name in sorted(locks - {LEASE}):
            with suppress(Busy), leased(self.manager.config, source_name):
                pass  # taken over from a run that has ended, and released


def _many(partitions: int, rows: int) -> str:
    return f"{rows:,} rows in {partitions:,} partition{'s' if partitions != 1 else ''}"


def _carriers(tables: Iterable[str]) -> set[str]:
    """Names of tables that older versions let dlt write, derived from the raw tables' names."""
    raw = [name for name in tables if "__" in name]
    ingested = {f"{name.partition('__')[0]}__normalized{_CARRIED}" for name in raw}
    return {f"{name}{_CARRIED}" for name in raw} | ingested


def _changes(table: str, want: Definition, have: Definition) -> Iterator[tuple[str, str]]:
    """What an existing table is missing, as clauses of `alter table`, each with a line to print.

    Columns that a delivery brought stay. A type is changed only where no value can be lost by it;
    `migrate --validate` names any other.
    """
    before = "first"
    for name, column in want.columns.items():
        held = have.columns.get(name)
        if held is None:
            yield f"add column if not exists {column.text} {before}", f"added column {table}.{name}"
        elif _plain(held.type) == _plain(column.type) and held.stored != column.stored:
            default = "" if column.default else f"modify column `{name}` remove default, "
            removed = default if held.default else ""
            yield f"{removed}modify column {column.text}", f"changed column {table}.{name}"
        elif held.comment != column.comment:
            yield f"comment column `{name}` {quoted(column.comment)}", ""
        before = f"after `{name}`"
    if want.comment != have.comment:
        yield f"modify comment {quoted(want.comment)}", ""


def _plain(kind: str) -> str:
    """A type without its way of storing it."""
    return re.sub(r"LowCardinality\(((?:Nullable\()?String\)?)\)", r"\1", kind)
