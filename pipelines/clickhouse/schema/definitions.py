"""What a table is made of, as the server itself writes it down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted

_COLUMNS = """
select table, name, type, trim(default_kind || ' ' || default_expression), comment
from system.columns where database = currentDatabase() and table in %(tables)s
order by table, position
"""
_TABLES = """
select name, engine, partition_key, sorting_key, comment
from system.tables where database = currentDatabase() and name in %(tables)s
"""


@dataclass(frozen=True)
class Column:
    """One column; `default` as in `DEFAULT 'CUR'`, or ''."""

    name: str
    type: str
    default: str
    comment: str

    @property
    def stored(self) -> tuple[str, str]:
        """Type and default: what decides the stored values."""
        return self.type, self.default

    @property
    def text(self) -> str:
        """The column as `create table` writes it."""
        return f"`{self.name}` {self.type} {self.default} comment {quoted(self.comment)}"


@dataclass(frozen=True)
class Definition:
    """One table: its columns in order, engine, partition key and sorting key, comment."""

    columns: Mapping[str, Column]
    keys: tuple[str, str, str]
    comment: str

    @property
    def shape(self) -> object:
        """Everything but the comments: another shape makes `migrate` rebuild the table."""
        return [(column.name, column.stored) for column in self.columns.values()], self.keys


def definition(manager: ClickHouseManager, table: str) -> Definition:
    """The definition of a table of the current database. Raises ClickHouseQueryError for none."""
    return definitions(manager, [table])[table]


def definitions(manager: ClickHouseManager, tables: Sequence[str]) -> dict[str, Definition]:
    """Those of several. Raises ClickHouseQueryError for the first that there is none of."""
    if not tables:
        return {}
    asked = {"tables": tuple(tables)}
    columns: dict[str, dict[str, Column]] = {table: {} for table in tables}
    for table, *column in manager.execute(_COLUMNS, asked):
        columns[table][column[0]] = Column(*column)
    found = {
        name: Definition(columns[name], (engine, partition_key, sorting_key), comment)
        for name, engine, partition_key, sorting_key, comment in manager.execute(_TABLES, asked)
    }
    for table in tables:
        if table not in found:  # the server's error names what is missing
            manager.execute(f"select * from {table} limit 0")
    return found


def create_as(manager: ClickHouseManager, text: str, name: str) -> str:
    """Run `create table name …` under a scratch name, and say which."""
    scratch = f"_new_{name}_{uuid4().hex[:8]}"
    manager.execute(re.sub(rf"(create table if not exists ){name}\b", rf"\g<1>{scratch}", text))
    return scratch


@contextmanager
def create_temporarily(
    manager: ClickHouseManager, texts: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Run `create table` of each name under a scratch name, which is given by name, for as long as
    the block runs."""
    scratches = {name: create_as(manager, text, name) for name, text in texts.items()}
    yield scratches
    if scratches:
        manager.execute(f"drop table {', '.join(scratches.values())} sync")
