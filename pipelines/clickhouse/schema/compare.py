"""Compare a live database with what sql/*.sql and the one schema say, or with another server's.

What sql/ says is asked of the server itself: a scratch database is migrated and described, so that
types, engines, keys and views are compared as the server writes them down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from pipelines.clickhouse.schema.marts import COMPUTED, NOT_COMPUTED
from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.schema.statements import statements
from pipelines.clickhouse.server.cluster import all_replicas
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import ConfigurationError
from pipelines.tables.ddl import clickhouse_type, tables
from pipelines.tables.schema import Column

_TABLES = """
select name, engine, partition_key, sorting_key, primary_key, comment, as_select
from {tables} where database = %(database)s and hostName() || ':' || tcpPort() = {server}
"""
_COLUMNS = """
select table, name, type, trim(default_kind || ' ' || default_expression), comment
from {columns} where database = %(database)s and hostName() || ':' || tcpPort() = {server}
order by table, position
"""
_SERVERS = "select distinct hostName() || ':' || tcpPort() from {one} order by 1"
_HERE = "hostName() || ':' || tcpPort()"
_PUBLISHED = """
select x_source, x_partition, count(), sum(billed_cost), min(x_fingerprint), max(x_fingerprint)
from costs group by 1, 2
"""
_PROPERTIES = ("partition key", "sorting key", "primary key", "comment", "select")
_SHARED = re.compile(r"^(Shared|Replicated)")
_MISSING = "(missing)"

Thing = tuple[str, ...]
"""A table, (table, "", property), (table, column) or (table, column, property)."""
Description = Mapping[Thing, str]
"""What a database is made of: the engine of a table, the type of a column (in order), …"""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected: where, what is expected, what is there."""

    where: str
    expected: str
    found: str


def servers(config: ClickHouseConfig) -> list[str]:
    """The replicas of the configured cluster, as host:port; of one server that one."""
    with ClickHouseManager(config.with_database("default")) as manager:
        sql = _SERVERS.format(one=all_replicas(config.cluster, "system.one"))
        return [row[0] for row in manager.execute(sql)]


def describe(config: ClickHouseConfig, names: Sequence[str], server: str = "") -> Description:
    """The named tables and views of a database as a server describes them, by default this one."""
    found: dict[Thing, str] = {}
    database = re.compile(rf"(?<![\w.])`?{re.escape(config.database)}`?\.")
    with ClickHouseManager(config.with_database("default")) as manager:
        asked = {"database": config.database}
        places = {
            name: all_replicas(config.cluster if server else "", f"system.{name}")
            for name in ("tables", "columns")
        }
        places["server"] = quoted(server) if server else _HERE
        for table, engine, *properties in manager.execute(_TABLES.format(**places), asked):
            found[table,] = _SHARED.sub("", engine)  # Cloud has its own of the same kind
            for name, value in zip(_PROPERTIES, properties, strict=True):
                plain = COMPUTED.sub(NOT_COMPUTED, value)  # of which rows is no difference
                found[table, "", name] = database.sub("", plain)
        for table, column, kind, default, comment in manager.execute(
            _COLUMNS.format(**places), asked
        ):
            if found.get((table,)) == "MaterializedView":
                continue  # the table that it feeds has them
            found[table, column] = kind
            found[table, column, "default"] = default
            found[table, column, "comment"] = comment
    return {thing: value for thing, value in found.items() if thing[0] in names}


def differences(expected: Description, found: Description) -> list[Difference]:
    """What differs. Columns of raw that only one side has came with a delivery: no difference."""
    result = []
    for thing in sorted(expected.keys() | found.keys()):
        want, have = expected.get(thing, _MISSING), found.get(thing, _MISSING)
        owners = (thing[:length] for length in range(1, len(thing)))
        if want == have or any((owner in expected) != (owner in found) for owner in owners):
            continue  # where a table or a column is missing, that is named, and not all its parts
        if thing in expected or not _is_raw(thing[0]):
            result.append(Difference(_label(thing), *_around(want, have)))
    return result + list(_other_order(expected, found))


def validate(config: ClickHouseConfig, tag_columns: Sequence[str]) -> list[Difference]:
    """A live database against sql/, on every replica, and sql/ against tables/schema.py.

    Leaves nothing behind. Needs the right to create a database.
    """
    scratch = replace(config, database=f"_validate_{uuid4().hex[:8]}", cluster="")
    names = _names(config, tag_columns)
    try:
        migrate(scratch, tag_columns, lambda line: None)
        expected = describe(scratch, names)
    finally:
        with ClickHouseManager(scratch.with_database("default")) as manager:
            manager.execute(f"drop database if exists {scratch.database} sync")
    declared = against_schema(expected, tables(tag_columns))
    return [*_on_each(config, expected, names), *declared]


def _on_each(
    config: ClickHouseConfig, expected: Description, names: Sequence[str]
) -> Iterator[Difference]:
    """What differs on any replica; of several each is named."""
    every = servers(config)
    for server in every:
        for each in differences(expected, describe(config, names, server)):
            yield replace(each, where=f"{each.where} on {server}") if len(every) > 1 else each


def align(
    one: ClickHouseConfig, other: ClickHouseConfig, tag_columns: Sequence[str]
) -> list[Difference]:
    """Two servers against each other: their schemas, and what is published on each.

    Raises ConfigurationError when both are one.
    """
    if (one.host, one.port, one.database) == (other.host, other.port, other.database):
        raise ConfigurationError(
            f"The local server and the configured one are both {one.database} on "
            f"{one.host}:{one.port}. Name the other: CLICKHOUSE_MODE=cloud, CLICKHOUSE_HOST, "
            "CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
        )
    names = _names(one, tag_columns)
    mine, theirs = describe(one, names), describe(other, names)
    published = [
        _published(config) if ("costs",) in found else {}
        for config, found in ((one, mine), (other, theirs))
    ]
    return [*_on_each(other, mine, names), *_in_published(*published)]


def against_schema(found: Description, tables: Mapping[str, Sequence[Column]]) -> list[Difference]:
    """Names, types and order of columns, and in tables their meaning, as `tables` has them."""
    result = []
    for table, columns in tables.items():
        names = [thing[1] for thing in found if len(thing) == 2 and thing[0] == table]
        wanted = [column.name for column in columns]
        if names != wanted:
            texts = _around(", ".join(wanted), ", ".join(names))
            result.append(Difference(f"{table}: columns, by tables/schema.py", *texts))
        for column in columns:
            for thing, want, have in _declared(table, column, found):
                if want != have:
                    where = f"{_label(thing)}, by tables/schema.py"
                    result.append(Difference(where, want, have))
    return result


def _declared(table: str, column: Column, found: Description) -> Iterator[tuple[Thing, str, str]]:
    """Thing, what the schema says, what is there; for a column that is there."""
    if (table, column.name) not in found:
        return
    is_view = found[table,] == "View"
    want, have = _type(column), _plain(found[table, column.name])
    yield (table, column.name), _loose(want) if is_view else want, _loose(have) if is_view else have
    if not is_view:
        thing = (table, column.name, "comment")
        yield thing, column.meaning, found[thing]


def _names(config: ClickHouseConfig, tag_columns: Sequence[str]) -> list[str]:
    wanted = statements(config.database, tag_columns)
    return sorted({each.name for each in wanted if each.kind != "database"})


def _is_raw(table: str) -> bool:
    return "__" in table


def _other_order(expected: Description, found: Description) -> Iterator[Difference]:
    for (table,) in (thing for thing in expected if len(thing) == 1):
        want, have = (
            [t[1] for t in side if len(t) == 2 and t[0] == table and t in other]
            for side, other in ((expected, found), (found, expected))
        )
        if want != have:
            texts = _around(", ".join(want), ", ".join(have))
            yield Difference(f"{table}: order of columns", *texts)


def _label(thing: Thing) -> str:
    match thing:
        case (table,):
            return f"{table}: engine"
        case (table, column):
            return f"{table}.{column}: type"
        case (table, "", name):
            return f"{table}: {name}"
        case (table, column, name):
            return f"{table}.{column}: {name}"
    raise ValueError(thing)


def _around(one: str, other: str, width: int = 60) -> tuple[str, str]:
    """Both texts from a little before where they begin to differ: a select is long."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(0, same - width) if max(len(one), len(other)) > 2 * width else 0
    cut = slice(start, start + 2 * width)
    return one[cut], other[cut]


Published = Mapping[tuple[str, str], tuple[int, float | None, str]]
"""Rows, billed cost and delivery by source and partition."""


def _published(config: ClickHouseConfig) -> Published:
    with ClickHouseManager(config) as manager:
        return {
            (source_name, partition): (
                rows,
                billed,
                fingerprint if fingerprint == last else "several",
            )
            for source_name, partition, rows, billed, fingerprint, last in manager.execute(
                _PUBLISHED
            )
        }


def _in_published(one: Published, other: Published) -> list[Difference]:
    """Sums are of floats in any order, so they are equal when they nearly are."""
    result = []
    for key in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(key), other.get(key)
        if mine and theirs and mine[::2] == theirs[::2]:
            billed, their_billed = mine[1] or 0.0, theirs[1] or 0.0
            if abs(billed - their_billed) <= 1e-6 + 1e-9 * abs(billed):
                continue
        result.append(Difference(f"published {' '.join(key)}", _describe(mine), _describe(theirs)))
    return result


def _describe(published: tuple[int, float | None, str] | None) -> str:
    if published is None:
        return _MISSING
    rows, billed, fingerprint = published
    total = "NULL" if billed is None else f"{billed:.6f}"
    return f"{rows} rows, billed {total}, delivery {fingerprint}"


def _type(column: Column) -> str:
    """The type of a column as the schema means it, LowCardinality left aside."""
    return _plain(clickhouse_type(column))


def _loose(kind: str) -> str:
    """A type without NULL and width: a view's select decides on these by itself."""
    plain = re.sub(r"^Nullable\((.*)\)$", r"\1", kind)
    return re.sub(r"^(?:U?Int\d+)$", "Int64", re.sub(r"^Date(32)?$", "Date32", plain))


def _plain(kind: str) -> str:
    return re.sub(r"LowCardinality\(((?:Nullable\()?String\)?)\)", r"\1", kind)
