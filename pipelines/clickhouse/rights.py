"""What a user may do in the database: tried out on scratch tables, which are removed again.

`show grants` does not answer it: quotas and read-only profiles take away what grants give.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import tenacity

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseError, ClickHouseQueryError
from pipelines.clickhouse.manager import ClickHouseManager

_ONCE = tenacity.stop_after_attempt(1)
_ENGINE = "engine = MergeTree partition by p order by n"


@dataclass(frozen=True)
class Right:
    """Something that a load does: its name, the statements, and what has to work before it."""

    name: str
    statements: tuple[str, ...]
    after: str = "create"


#: {a} and {b} are scratch tables, {v} a view; migrating and loading do no more than this.
RIGHTS = (
    Right(
        "create",
        (f"create table {{a}} (p String, n Int64) {_ENGINE}", "create table {b} as {a}"),
        after="",
    ),
    Right("insert", ("insert into {a} values ('x', 1)", "insert into {b} values ('x', 2)")),
    Right("read", ("select p, n from {a}",)),
    Right("replace a partition", ("alter table {a} replace partition 'x' from {b}",), "insert"),
    Right("alter", ("alter table {a} add column m Nullable(Int64), modify comment 'scratch'",)),
    Right("create a view", ("create view {v} as select 1 as n",)),
)
#: The grants that take in all of it, below the configured database.
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
    """What came of it: rights that work, refusals by right, what could not be removed by name."""

    works: list[str] = field(default_factory=list)
    refused: dict[str, ClickHouseError] = field(default_factory=dict)
    left: dict[str, ClickHouseError] = field(default_factory=dict)


def database_exists(config: ClickHouseConfig) -> bool:
    """Whether the configured database is there, as far as the user may see it."""
    sql = "select count() from system.databases where name = %(name)s"
    with ClickHouseManager(config.with_database("default")) as manager:
        return manager.execute(sql, {"name": config.database}) == [(1,)]


def missing_grants(config: ClickHouseConfig) -> list[str]:
    """Of GRANTS, what the user lacks on a database that does not exist yet."""
    with ClickHouseManager(config.with_database("default")) as manager:
        return [
            grant
            for grant in GRANTS
            if manager.execute(f"check grant {grant} on `{config.database}`.*") != [(1,)]
        ]


def try_out(config: ClickHouseConfig) -> Trial:
    """Try every right; one that is refused keeps only those from being tried that build on it.

    Raises ClickHouseConnectionError when the server goes away. The scratch tables are dropped in
    every case; what could not be is in `left`.
    """
    stem = f"_doctor_{uuid4().hex[:12]}"
    names = {"a": stem, "b": f"{stem}_other", "v": f"{stem}_view"}
    trial = Trial()
    with ClickHouseManager(config, stop=_ONCE) as manager, _removed(manager, names, trial):
        for right in RIGHTS:
            if right.after and right.after not in trial.works:
                continue
            try:
                for statement in right.statements:
                    manager.execute(statement.format(**names))
                trial.works.append(right.name)
            except ClickHouseQueryError as error:
                trial.refused[right.name] = error
    if "create" in trial.works and not trial.left:
        trial.works.append("drop")
    return trial


@contextmanager
def _removed(manager: ClickHouseManager, names: dict[str, str], trial: Trial) -> Iterator[None]:
    """Drop what was created; without the right to drop, say so only of what is there."""
    try:
        yield
    finally:
        for key, kind in (("v", "view"), ("b", "table"), ("a", "table")):
            try:
                if manager.execute(f"exists {kind} {names[key]}") == [(1,)]:
                    manager.execute(f"drop {kind} {names[key]} sync")
            except ClickHouseError as error:
                trial.left[names[key]] = error
