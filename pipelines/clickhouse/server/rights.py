"""What a user may do in the database: tried out on scratch tables, which are removed again.

`show grants` does not answer it: quotas and read-only profiles take away what grants give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import tenacity

from pipelines.clickhouse.server.codes import FORBIDDEN
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError, ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager

_ONCE = tenacity.stop_after_attempt(1)
_ENGINE = "engine = MergeTree partition by p order by n"


_SYNTAX_ERROR = 62


@dataclass(frozen=True)
class Right:
    """Something that a load does: the statements, what has to work before, the grants it takes."""

    name: str
    statements: tuple[str, ...]
    after: str
    grants: tuple[str, ...]


#: In the database. {a} and {b} are scratch tables, {v} a view, {database} the configured one.
RIGHTS = (
    Right(
        "create",
        (f"create table {{a}} (p String, n Int64) {_ENGINE}", "create table {b} as {a}"),
        after="",
        grants=("create table on {database}.*", "table engine on *"),
    ),
    Right(
        "insert",
        ("insert into {a} values ('x', 1)", "insert into {b} values ('x', 2)"),
        after="create",
        grants=("insert on {database}.*",),
    ),
    Right("read", ("select p, n from {a}",), "create", ("select on {database}.*",)),
    Right(
        "replace a partition",
        ("alter table {a} replace partition 'x' from {b}",),
        after="insert",
        grants=("alter on {database}.*",),
    ),
    Right(
        "alter",
        ("alter table {a} add column m Nullable(Int64), modify comment 'scratch'",),
        after="create",
        grants=("alter on {database}.*",),
    ),
    Right(
        "create a view",
        ("create view {v} as select 1 as n",),
        after="create",
        grants=("create view on {database}.*",),
    ),
)
#: What dlt and `migrate` ask the server about, whichever the database is.
SYSTEM_RIGHTS = tuple(
    Right(f"read {table}", (f"select 1 from {table} limit 1",), "", (f"select on {table}",))
    for table in ("system.parts", "INFORMATION_SCHEMA.COLUMNS")
)
DROP = Right("drop", (), "create", ("drop table, drop view on {database}.*",))
#: What a database that does not exist yet takes; `alter` is asked for by its halves.
_PRIVILEGES = (
    "create database",
    "create table",
    "create view",
    "drop table",
    "drop view",
    "select",
    "insert",
    "alter table",
    "alter view",
    "truncate",
)


@dataclass
class Trial:
    """What came of it: rights that work, refusals by right, what could not be removed by name."""

    works: list[str] = field(default_factory=list)
    refused: list[tuple[Right, ClickHouseError]] = field(default_factory=list)
    left: dict[str, ClickHouseError] = field(default_factory=dict)


def database_exists(config: ClickHouseConfig) -> bool:
    """Whether the configured database is there, as far as the user may see it."""
    sql = "select count() from system.databases where name = %(name)s"
    with ClickHouseManager(config.with_database("default")) as manager:
        return manager.execute(sql, {"name": config.database}) == [(1,)]


def missing_grants(config: ClickHouseConfig) -> list[str]:
    """The missing grants of the user on a database that does not exist yet.

    A server that cannot be asked (`check grant` is of 2024) lacks none as far as is known.
    """
    place = f"{name(config.database)}.*"
    missing = []
    with ClickHouseManager(config.with_database("default")) as manager:
        for privilege in _PRIVILEGES:
            try:
                granted = manager.execute(f"check grant {privilege} on {place}")
            except ClickHouseQueryError as error:
                if error.code != _SYNTAX_ERROR:
                    raise
                return []
            if granted != [(1,)]:
                missing.append(privilege)
    return [f"{', '.join(missing)} on {place}"] if missing else []


def read_system_tables(config: ClickHouseConfig) -> Trial:
    """Try what is asked of the server itself, whether the database exists or not."""
    trial = Trial()
    with ClickHouseManager(config.with_database("default"), stop=_ONCE) as manager:
        _try(manager, SYSTEM_RIGHTS, {}, trial)
    return trial


def try_out(config: ClickHouseConfig) -> Trial:
    """Try every right in the database; a refusal keeps only what builds on it from being tried.

    Raises ClickHouseConnectionError when the server goes away. The scratch tables are dropped in
    every case; what could not be is in `left`.
    """
    stem = f"_doctor_{uuid4().hex[:12]}"
    names = {"a": stem, "b": f"{stem}_other", "v": f"{stem}_view"}
    trial = Trial()
    with ClickHouseManager(config, stop=_ONCE) as manager, _removed(manager, names, trial):
        _try(manager, RIGHTS, names, trial)
    if "create" in trial.works and not trial.left:
        trial.works.append(DROP.name)
    return trial


def grant(config: ClickHouseConfig, grants: Iterable[str]) -> str:
    """The statements that an administrator runs to give the configured user these grants."""
    user, database = name(config.user), name(config.database)
    return "; ".join(f"grant {each.format(database=database)} to {user}" for each in grants)


def is_lack(error: ClickHouseError) -> bool:
    """Whether the server refused for want of a grant."""
    return isinstance(error, ClickHouseQueryError) and error.code in FORBIDDEN


def name(text: str) -> str:
    """An identifier, quoted when it has to be."""
    return text if re.fullmatch(r"[A-Za-z_]\w*", text) else f"`{text.replace('`', '')}`"


def _try(
    manager: ClickHouseManager, rights: Iterable[Right], names: dict[str, str], trial: Trial
) -> None:
    for right in rights:
        if right.after and right.after not in trial.works:
            continue
        try:
            for statement in right.statements:
                manager.execute(statement.format(**names))
            trial.works.append(right.name)
        except ClickHouseQueryError as error:
            trial.refused.append((right, error))


@contextmanager
def _removed(manager: ClickHouseManager, names: dict[str, str], trial: Trial) -> Iterator[None]:
    """Drop what is there of them at the end, however it comes."""
    try:
        yield
    finally:
        for key, kind in (("v", "view"), ("b", "table"), ("a", "table")):
            try:
                if manager.execute(f"exists {kind} {names[key]}") == [(1,)]:
                    manager.execute(f"drop {kind} {names[key]} sync")
            except ClickHouseError as error:
                trial.left[names[key]] = error
