"""Migrated databases for tests: restored from a template, and cleared between two tests.

Restoring one takes half a second of the server, clearing it a hundredth.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipelines.clickhouse.schema.migrate import migrate, version
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted

#: As the project's configuration says, of which every test has a copy.
TAGS = ("Environment", "Team", "Application")

Marks = dict[str, tuple[str, datetime]]
"""By table or view: its id and when its definition changed, to the second."""


@dataclass(frozen=True)
class Template:
    """A migrated database, which takes half as long to restore as to migrate.

    It is a backup in the server's memory, which lasts as long as the connection that made it.
    """

    manager: ClickHouseManager
    database: str

    def restore(self, database: str) -> None:
        """Create a database that a load finds migrated."""
        if self.manager.config.cluster:  # its tables are in Keeper, which no backup gives back
            migrate(self.manager.config.with_database(database), TAGS, lambda line: None)
            return
        sql = f"restore database {self.database} as {database} from Memory('{self.database}')"
        self.manager.execute(sql)
        mark = quoted(version(database, TAGS))
        self.manager.execute(f"alter table {database}._schema_version modify comment {mark}")


@dataclass
class Database:
    """One that was restored: how everything in it is created, and its marks when it was lent."""

    name: str
    definitions: dict[str, str]
    marks: Marks = field(default_factory=dict)
    is_doubtful: set[str] = field(default_factory=set)
    """What may have changed since without another mark."""


class Databases:
    """Databases that tests use one after the other, each as `migrate` leaves it, without a row."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self._execute = template.manager.execute
        self._spare: list[Database] = []
        self._lent: dict[str, Database] = {}

    def take(self) -> str:
        """The name of a database that nobody uses."""
        database = self._spare.pop() if self._spare else self._restored()
        ((now,),) = self._execute("select now()")
        database.marks = self._marks(database.name)
        database.is_doubtful = {
            name
            for name, (_, changed) in database.marks.items()
            if changed >= now - timedelta(seconds=1) or changed.year == 1970  # no time is known
        }
        self._lent[database.name] = database
        return database.name

    def give_back(self, name: str) -> None:
        """Clear it for the next test, or remove it when that does not make it what it was."""
        database = self._lent.pop(name)
        if self._is_cleared(database):
            self._spare.append(database)
        else:
            self._execute(f"drop database if exists {name} sync")

    def _restored(self) -> Database:
        name = f"test_{secrets.token_hex(6)}"
        self.template.restore(name)
        return Database(name, self._definitions(name, list(self._marks(name))))

    def _is_cleared(self, database: Database) -> bool:
        name, before, marks = database.name, database.marks, self._marks(database.name)
        ids = {each: uuid for each, (uuid, _) in marks.items()}
        if any(ids.get(each) != uuid for each, (uuid, _) in before.items()):
            return False
        for table in sorted(marks.keys() - before.keys()):
            self._execute(f"drop table {name}.`{table}` sync")
        for table in self._filled(name):
            self._execute(f"truncate table {name}.`{table}`")
        changed = {each for each, mark in before.items() if marks[each] != mark}
        doubtful = sorted(changed | database.is_doubtful)
        for table, columns in self._new_columns(database, doubtful).items():
            drops = ", ".join(f"drop column `{column}`" for column in columns)
            self._execute(f"alter table {name}.`{table}` {drops}")
        wanted = {each: database.definitions[each] for each in doubtful}
        return self._definitions(name, doubtful) == wanted

    def _marks(self, name: str) -> Marks:
        sql = (
            "select name, toString(uuid), metadata_modification_time from system.tables "
            "where database = %(name)s"
        )
        found = self._execute(sql, {"name": name})
        return {table: (uuid, changed) for table, uuid, changed in found}

    def _definitions(self, name: str, tables: Sequence[str]) -> dict[str, str]:
        """What creates these, which takes the server long for views."""
        if not tables:
            return {}
        sql = (
            "select name, create_table_query from system.tables "
            "where database = %(name)s and name in %(tables)s"
        )
        return dict(self._execute(sql, {"name": name, "tables": tables}))

    def _filled(self, name: str) -> list[str]:
        sql = (
            "select name from system.tables where database = %(name)s "
            "and engine not like %(view)s and total_rows > 0"
        )
        return [table for (table,) in self._execute(sql, {"name": name, "view": "%View"})]

    def _new_columns(self, database: Database, tables: Sequence[str]) -> dict[str, list[str]]:
        """Columns that tables got from a load: dlt adds what a delivery has and raw lacks."""
        if not tables:
            return {}
        sql = (
            "select table, groupArray(c.name) from system.columns as c "
            "inner join system.tables as t on t.database = c.database and t.name = c.table "
            "where c.database = %(name)s and table in %(tables)s "
            "and t.engine not like %(view)s group by table"
        )
        found = self._execute(sql, {"name": database.name, "tables": tables, "view": "%View"})
        news = {
            table: [each for each in columns if f"`{each}` " not in database.definitions[table]]
            for table, columns in found
        }
        return {table: columns for table, columns in news.items() if columns}
