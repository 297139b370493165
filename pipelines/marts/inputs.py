"""What a mart is made of, as one digest: it is computed again when that changes, and only then."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache

from pipelines.clickhouse.schema.marts import Mart
from pipelines.core.digests import hex_digest
from pipelines.core.registry import SOURCES
from pipelines.tables import daily
from pipelines.tables.ddl import column_block
from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.raw_tables import LINKED, RAW_TABLES
from pipelines.tables.sources import COST_SOURCES

DELIVERIES = "deliveries"
RUNS = "runs"
LISTS = {
    raw_table.clickhouse_name: raw_table
    for raw_table in RAW_TABLES.values()
    if raw_table.clickhouse_name in RAW_LISTS
}
"""Raw tables that marts read, by their name in ClickHouse: lists without a normalised table."""

_READABLE = (
    *(f"normalized_{source_name}" for source_name in SOURCES),
    daily.NAME,
    DELIVERIES,
    RUNS,
    *LISTS,
)


def digest(*parts: str) -> str:
    """One digest of texts in order."""
    return hex_digest([json.dumps(parts)])


def digests(
    wanted: Sequence[Mart], tag_columns: Sequence[str], version: Callable[[str], str]
) -> dict[str, str]:
    """By mart a digest of its select, its columns and all that it reads, also through other marts.

    `wanted` is in the order of computing. `version` says of a table by its name in ClickHouse what
    changes when its rows do; it is asked once of each.
    """
    known = cache(version)
    found: dict[str, str] = {}
    for mart in wanted:
        read = [found.get(table) or known(table) for table in tables_in(mart.select, found)]
        columns = column_block(mart.name, tag_columns)
        found[mart.name] = digest(mart.select, columns, ",".join(tag_columns), *read)
    return found


def lists_in(mart: Mart) -> list[str]:
    """The raw lists that a mart reads, by their names in ClickHouse."""
    return [name for name in RAW_LISTS if _names(mart.select, name)]


def names_in(marts: Iterable[Mart]) -> frozenset[str]:
    """The words of their selects, among them every table that one of them reads."""
    return frozenset[str]().union(*(words(mart.select) for mart in marts))


def sources_of(table: str) -> Collection[str]:
    """The sources whose partitions a table has, by its name in ClickHouse; of `deliveries` all."""
    if table in (DELIVERIES, RUNS):
        return [*RAW_TABLES]
    if table == daily.NAME:
        return COST_SOURCES
    if table in LISTS:
        return [LISTS[table].source_name]
    return [table.removeprefix("normalized_")]


def tables_in(select: str, computed: Collection[str]) -> Iterator[str]:
    """The tables, and the marts computed before, that a select reads."""
    for name, members in LINKED.items():
        if _names(select, name):
            yield from (f"normalized_{source_name}" for source_name in members)
    yield from (name for name in [*_READABLE, *computed] if _names(select, name))


def _names(select: str, table: str) -> bool:
    return table in words(select)


@cache
def words(select: str) -> frozenset[str]:
    """The names in a select, with all its other words."""
    return frozenset(re.findall(r"\w+", select))
