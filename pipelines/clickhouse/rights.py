"""What a user may do in the database: tried out on scratch tables that are removed again.

`show grants` does not answer it: roles, quotas and read-only profiles take away what grants give.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseError
from pipelines.clickhouse.manager import ClickHouseManager

#: What is done, the grants that it takes, the statement.
TRIALS = (
    ("create", "create table", "create table {a} (p String, n Int64) {engine}"),
    ("insert", "insert", "insert into {a} values ('x', 1)"),
    ("read", "select", "select p, n from {a}"),
    ("add a column", "alter column", "alter table {a} add column m Nullable(Int64)"),
    ("create a view", "create view", "create view {v} as select 1 as n"),
    ("create another", "create table", "create table {b} as {a}"),
    ("replace a partition", "alter delete", "alter table {a} replace partition 'x' from {b}"),
    ("drop a partition", "alter delete", "alter table {a} drop partition 'x'"),
    ("exchange", "drop table", "exchange tables {a} and {b}"),
)
_ENGINE = "engine = MergeTree partition by p order by n"
#: All that loading takes, in a database of one's own.
GRANTS = (
    "create database",
    "create table",
    "create view",
    "drop table",
    "drop view",
    "select",
    "insert",
    "alter",
    "truncate",
)


@dataclass
class Trial:
    """What came of it: what may be done, what was refused, and tables that could not be removed."""

    may: list[str] = field(default_factory=list)
    refused: list[tuple[str, str, ClickHouseError]] = field(default_factory=list)
    left: list[tuple[str, ClickHouseError]] = field(default_factory=list)


def database_exists(config: ClickHouseConfig) -> bool:
    """Whether the configured database is there, as far as the user may see it."""
    sql = "select count() from system.databases where name = %(name)s"
    with ClickHouseManager(config.with_database("default")) as manager:
        return manager.execute(sql, {"name": config.database}) == [(1,)]


def missing_grants(config: ClickHouseConfig) -> list[str]:
    """Of GRANTS, what the user lacks for a database that does not exist yet."""
    with ClickHouseManager(config.with_database("default")) as manager:
        return [
            grant
            for grant in GRANTS
            if manager.execute(f"check grant {grant} on `{config.database}`.*") != [(1,)]
        ]


def try_out(config: ClickHouseConfig) -> Trial:
    """Try everything that a load does; a failure does not keep the rest from being tried.

    Raises ClickHouseConnectionError when the server goes away; the scratch tables are dropped then
    as well, if it is back.
    """
    stem = f"_doctor_{uuid4().hex[:12]}"
    names = {"a": stem, "b": f"{stem}_other", "v": f"{stem}_view", "engine": _ENGINE}
    trial = Trial()
    with ClickHouseManager(config) as manager, _removed(manager, names, trial):
        for what, grant, sql in TRIALS:
            try:
                manager.execute(sql.format(**names))
                trial.may.append(what)
            except ClickHouseError as error:
                trial.refused.append((what, grant, error))
                if what == "create":
                    break
    if not trial.left and "create" in trial.may:
        trial.may.append("drop")
    return trial


@contextmanager
def _removed(manager: ClickHouseManager, names: dict[str, str], trial: Trial) -> Iterator[None]:
    try:
        yield
    finally:
        for key, kind in (("v", "view"), ("b", "table"), ("a", "table")):
            try:
                manager.execute(f"drop {kind} if exists {names[key]} sync")
            except ClickHouseError as error:
                trial.left.append((names[key], error))
