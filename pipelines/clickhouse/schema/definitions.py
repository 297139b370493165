"""What a table is made of, as the server itself writes it down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted

_COLUMNS = """
select name, type, trim(default_kind || ' ' || default_expression), comment
from system.columns where database = currentDatabase() and table = %(table)s order by position
"""
_TABLE = """
select engine, partition_key, sorting_key, comment
from system.tables where database = currentDatabase() and name = %(table)s
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
    columns = [Column(*row) for row in manager.execute(_COLUMNS, {"table": table})]
    found = manager.execute(_TABLE, {"table": table})
    if not found:
        manager.execute(
            f"select * from {table} limit 0"
        )  # the server's error names what is missing
    *keys, comment = found[0]
    engine, partition_key, sorting_key = keys
    return Definition({c.name: c for c in columns}, (engine, partition_key, sorting_key), comment)


def create_as(manager: ClickHouseManager, text: str, name: str) -> str:
    """Run `create table name …` under a scratch name, and say which."""
    scratch = f"_new_{name}_{uuid4().hex[:8]}"
    manager.execute(re.sub(rf"(create table if not exists ){name}\b", rf"\g<1>{scratch}", text))
    return scratch


@contextmanager
def create_temporarily(manager: ClickHouseManager, text: str, name: str) -> Iterator[str]:
    """The same for as long as the block runs."""
    scratch = create_as(manager, text, name)
    yield scratch
    manager.execute(f"drop table {scratch} sync")
