"""Compare a live database with what sql/*.sql and the one schema say, or with another server's.

What sql/ says is asked of the server itself: a scratch database is migrated and described, so that
types, engines, keys and views are compared as the server writes them down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.clickhouse.migrate import migrate
from pipelines.clickhouse.statements import statements
from pipelines.normalize.schema import DELIVERIES, Column, cost_columns

_TABLES = """
select name, engine, partition_key, sorting_key, primary_key, as_select
from system.tables where database = %(database)s
"""
_COLUMNS = """
select table, name, type, default_kind, default_expression, comment
from system.columns where database = %(database)s order by table, position
"""
_KEYS = ("partition key", "sorting key", "primary key")
_BASE = {"text": "String", "number": "Float64", "integer": "Int64", "date": "Date32"}
_SHARED = re.compile(r"^(Shared|Replicated)")


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected: where, what is expected, what is there."""

    where: str
    expected: str
    found: str


Description = Mapping[str, str]
"""What a database is made of: `table x: engine` → MergeTree, `column x.y: type` → String, …"""


def describe(config: ClickHouseConfig, names: Sequence[str]) -> dict[str, str]:
    """The named tables and views of a database as the server describes them."""
    found: dict[str, str] = {}
    with ClickHouseManager(config.with_database("default")) as manager:
        for name, engine, *keys, select in manager.execute(_TABLES, {"database": config.database}):
            if name not in names:
                continue
            found[f"{name}: engine"] = _SHARED.sub("", engine)  # Cloud has its own of the same kind
            for title, key in zip(
                ("partition key", "sorting key", "primary key"), keys, strict=True
            ):
                found[f"{name}: {title}"] = key
            found[f"{name}: select"] = select.replace(f"{config.database}.", "")
        for table, name, kind, *default, comment in manager.execute(
            _COLUMNS, {"database": config.database}
        ):
            if table in names:
                found[f"{table}.{name}: type"] = kind
                found[f"{table}.{name}: default"] = " ".join(default).strip()
                found[f"{table}.{name}: comment"] = comment
    return found


def differences(
    expected: Description, found: Description, *, more_is_fine: bool = True
) -> list[Difference]:
    """What differs; columns that a delivery added to raw are no difference with `more_is_fine`."""
    result = []
    for key in sorted(expected.keys() | ({*()} if more_is_fine else found.keys())):
        want, have = expected.get(key, "(missing)"), found.get(key, "(missing)")
        if want != have:
            result.append(Difference(key, *_around(want, have)))
    return result


def _around(one: str, other: str, width: int = 60) -> tuple[str, str]:
    """Both texts from a little before where they begin to differ: a select is long."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    start = max(0, same - width) if max(len(one), len(other)) > 2 * width else 0
    cut = slice(start, start + 2 * width)
    return one[cut], other[cut]


def validate(config: ClickHouseConfig, tag_columns: Sequence[str]) -> list[Difference]:
    """A live database against sql/ and against normalize/schema.py. Needs `create database`."""
    names = sorted(
        {s.name for s in statements(config.database, tag_columns) if s.kind != "database"}
    )
    scratch = config.with_database(f"_validate_{uuid4().hex[:8]}")
    try:
        migrate(scratch, tag_columns, lambda line: None)
        expected = describe(scratch, names)
    finally:
        with ClickHouseManager(config.with_database("default")) as manager:
            manager.execute(f"drop database if exists {scratch.database} sync")
    found = describe(config, names)
    return differences(expected, found) + _against_schema(found, tag_columns)


def align(
    one: ClickHouseConfig, other: ClickHouseConfig, tag_columns: Sequence[str]
) -> list[Difference]:
    """Two servers against each other: their schemas, and what is published on each."""
    names = _names(one, tag_columns)
    result = differences(describe(one, names), describe(other, names), more_is_fine=False)
    return result + differences(_published(one), _published(other), more_is_fine=False)


def _names(config: ClickHouseConfig, tag_columns: Sequence[str]) -> list[str]:
    wanted = statements(config.database, tag_columns)
    return sorted({each.name for each in wanted if each.kind != "database"})


def _published(config: ClickHouseConfig) -> dict[str, str]:
    sql = (
        "select x_source, x_partition, count(), round(sum(billed_cost), 6), any(x_fingerprint) "
        "from costs group by 1, 2"
    )
    with ClickHouseManager(config) as manager:
        return {
            f"published {word} {partition}": f"{rows} rows, billed {billed}, delivery {mark}"
            for word, partition, rows, billed, mark in manager.execute(sql)
        }


def _against_schema(found: Description, tag_columns: Sequence[str]) -> list[Difference]:
    """The published tables column by column as the one machine-readable schema has them."""
    tables = {
        "normalized_aws": cost_columns(tag_columns),
        "costs": cost_columns(tag_columns),
        "deliveries": DELIVERIES,
    }
    result = []
    for table, columns in tables.items():
        for column in columns:
            have = found.get(f"{table}.{column.name}: type", "(missing)")
            if _plain(have) != _type(column):
                where = f"{table}.{column.name}: type, by normalize/schema.py"
                result.append(Difference(where, _type(column), have))
    return result


def _type(column: Column) -> str:
    """The type of a column as the schema means it, LowCardinality left aside."""
    if column.type == "map":
        return "Map(String, String)"
    base = "DateTime64(6, 'UTC')" if column.type == "timestamp" else _BASE[column.type]
    return f"Nullable({base})" if column.nullable else base


def _plain(kind: str) -> str:
    return re.sub(r"LowCardinality\(((?:Nullable\()?String\)?)\)", r"\1", kind)
