"""Bring a database to what sql/*.sql say: from nothing, or from an older version of it.

Every statement is safe to repeat. A table that exists gets the columns it lacks. A materialized
view whose select has changed (a rule, a lookup, a configured tag) has its table built anew from
raw beside the old one, partition by partition, and exchanged with it in one step, so that readers
see all old or all new.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from uuid import uuid4

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseQueryError
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.clickhouse.statements import Statement, quoted, statements

log = logging.getLogger(__name__)

_TARGET = re.compile(r"materialized view if not exists (\w+) to (\w+) as\s", re.IGNORECASE)
_UNKNOWN_TABLE = 60
_VERSION = "_schema_version"


def version(database: str, tag_columns: Sequence[str]) -> str:
    """Changes when any statement does."""
    text = "\n".join(s.text for s in statements(database, tag_columns))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_current(config: ClickHouseConfig, tag_columns: Sequence[str]) -> bool:
    """Whether `migrate` would have nothing to do, by the version that it left."""
    wanted = version(config.database, tag_columns)
    sql = "select comment from system.tables where database = %(d)s and name = %(n)s"
    with ClickHouseManager(config.with_database("default")) as manager:
        return manager.execute(sql, {"d": config.database, "n": _VERSION}) == [(wanted,)]


def migrate(
    config: ClickHouseConfig, tag_columns: Sequence[str], tell: Callable[[str], None] = log.info
) -> None:
    """Run every statement; `tell` hears a line for each thing that changed.

    Raises ClickHouseError. Repeating it after any failure goes on where it stopped.
    """
    with ClickHouseManager(config.with_database("default")) as manager:
        manager.execute(f"create database if not exists `{config.database}`")
    wanted = list(statements(config.database, tag_columns))
    with ClickHouseManager(config) as manager:
        _Migration(manager, wanted, tell).run()
        manager.execute(f"create table if not exists {_VERSION} (x UInt8) engine = Memory")
        mark = quoted(version(config.database, tag_columns))
        manager.execute(f"alter table {_VERSION} modify comment {mark}")


class _Migration:
    def __init__(
        self,
        manager: ClickHouseManager,
        wanted: Sequence[Statement],
        tell: Callable[[str], None],
    ) -> None:
        self.manager, self.wanted, self.tell = manager, wanted, tell
        self.have = {row[0] for row in manager.execute("show tables")}
        self.tables = {s.name: s.text for s in wanted if s.kind == "table"}
        self.views = {s.name: s for s in wanted if s.kind == "materialized view"}

    def run(self) -> None:
        self._drop_leftovers()
        for statement in self.wanted:
            if statement.kind == "table":
                self._table(statement)
        self._rebuild_changed()
        for statement in self.wanted:
            if statement.kind in ("view", "materialized view"):
                self._view(statement)

    def _table(self, statement: Statement) -> None:
        if statement.name not in self.have:
            self.manager.execute(statement.text)
            self.tell(f"created table {statement.name}")
            return
        scratch = self._created_as(statement.text, statement.name)
        have, want = self._columns(statement.name), self._columns(scratch)
        self.manager.execute(f"drop table {scratch} sync")
        for name in (name for name in want if name not in have):
            column = f"`{name}` {want[name]}"
            self.manager.execute(f"alter table {statement.name} add column if not exists {column}")
            self.tell(f"added column {statement.name}.{name}")

    def _view(self, statement: Statement) -> None:
        if statement.name not in self.have or statement.kind == "view":
            self.manager.execute(statement.text)
            if statement.name not in self.have:
                self.tell(f"created {statement.kind} {statement.name}")

    def _rebuild_changed(self) -> None:
        """Rebuild each normalised table that a changed, existing view feeds."""
        changed = {
            _target(view)
            for view in self.views.values()
            if view.name in self.have and self._stored(view.name) != self._as_stored(_select(view))
        }
        for table in sorted(changed):
            self._rebuild(table)

    def _rebuild(self, table: str) -> None:
        views = [view for view in self.views.values() if _target(view) == table]
        fresh = self._created_as(self.tables[table], table)
        for view in views:
            self._fill(fresh, _select(view))
        self._keep_ingested(table, fresh)
        self.manager.execute(f"exchange tables {table} and {fresh}")
        for view in views:
            if view.name in self.have:
                self.manager.execute(f"alter table {view.name} modify query {_select(view)}")
        self.manager.execute(f"drop table {fresh} sync")
        self.tell(f"rebuilt {table} from raw: its rules or tag columns changed")

    def _fill(self, table: str, select: str) -> None:
        columns = ", ".join(f"`{row[0]}`" for row in self.manager.execute(f"describe ({select})"))
        raw = self._raw_of(select)
        partitions = self.manager.execute(
            "select distinct partition_id from system.parts where database = currentDatabase() "
            "and table = %(raw)s and active",
            {"raw": raw},
        )
        for (partition,) in sorted(partitions):
            one = f"(select * from {raw} where _partition_id = {quoted(partition)})"
            source = re.sub(rf"\bfrom {raw}\b", f"from {one}", select)
            self.manager.execute(f"insert into {table} ({columns}) {source}")

    def _keep_ingested(self, table: str, fresh: str) -> None:
        """Partitions that came normalised have no raw to be made of anew: they move as they are."""
        shared = ", ".join(f"`{n}`" for n in self._columns(fresh) if n in self._columns(table))
        self.manager.execute(
            f"insert into {fresh} ({shared}) select {shared} from {table} "
            f"where x_partition not in (select x_partition from {fresh})"
        )

    def _raw_of(self, select: str) -> str:
        for name in self.tables:
            if re.search(rf"\bfrom {name}\b", select):
                return name
        raise ClickHouseQueryError(f"No table of sql/ stands in: {select[:80]}")

    def _stored(self, view: str) -> str:
        where = "where database = currentDatabase() and name = %(name)s"
        rows = self.manager.execute(f"select as_select from system.tables {where}", {"name": view})
        return str(rows[0][0])

    def _as_stored(self, select: str) -> str:
        """A select as the server would write it down."""
        scratch = f"_probe_{uuid4().hex[:8]}"
        try:
            self.manager.execute(f"create view {scratch} as {select}")
        except ClickHouseQueryError as error:
            if error.code != _UNKNOWN_TABLE:
                raise
            return ""
        try:
            return self._stored(scratch)
        finally:
            self.manager.execute(f"drop view if exists {scratch}")

    def _created_as(self, text: str, name: str) -> str:
        scratch = f"_new_{name}_{uuid4().hex[:8]}"
        self.manager.execute(re.sub(rf"\b{name}\b", scratch, text, count=1))
        return scratch

    def _columns(self, table: str) -> dict[str, str]:
        rows = self.manager.execute(f"describe table {table}")
        return {row[0]: f"{row[1]} comment {quoted(row[4])}" for row in rows}

    def _drop_leftovers(self) -> None:
        """What a killed migration left; nobody reads these."""
        for name in sorted(n for n in self.have if n.startswith(("_new_", "_probe_"))):
            self.manager.execute(f"drop table if exists `{name}` sync")


def _target(view: Statement) -> str:
    found = _TARGET.search(view.text)
    if not found:
        raise ValueError(f"{view.name}: expected `create materialized view if not exists … to …`")
    return found[2]


def _select(view: Statement) -> str:
    found = _TARGET.search(view.text)
    return view.text[found.end() :] if found else ""
