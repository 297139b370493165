"""Pages of rows as JSON text, written by DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from scripts.sandbox.bigquery import types
from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.bigquery.tables import PARTITION_TIME, Table, quoted

#: The most rows of a page, whatever is asked for.
PAGE_ROWS = 50_000
#: BigQuery ends a page at about this size.
PAGE_BYTES = 10_000_000
_STEP = 2_048
# A row's text is one expression of ten thousand characters: optimizing it takes as long as all the
# rest of a small page, and saves nothing of a large one.
_PLAIN = "pragma disable_optimizer"

Columns = list[tuple[str, DuckDBPyType]]


@dataclass
class Page:
    """`size` rows from the row `first` on."""

    first: int
    size: int
    int64_timestamps: bool


def of_arrow(
    cursor: duckdb.DuckDBPyConnection, result: pa.Table, columns: Columns, page: Page
) -> Iterator[str]:
    """Rows of a query's result."""
    # positions for names, of which DuckDB allows no two that differ in case alone
    names = [f"c{number}" for number in range(len(columns))]
    kinds = [kind for _, kind in columns]
    text = types.row(list(zip(names, kinds, strict=True)), int64_timestamps=page.int64_timestamps)
    plain = result.rename_columns(names)
    end = min(page.first + page.size, result.num_rows)
    cursor.execute(_PLAIN)
    for first in range(page.first, end, _STEP):
        cursor.register("page", plain.slice(first, min(_STEP, end - first)))
        yield from (row for (row,) in cursor.execute(f"select {text} from page").fetchall())


def of_table(
    cursor: duckdb.DuckDBPyConnection, table: Table, columns: Columns, page: Page, day: str
) -> Iterator[str]:
    """Rows of a table, or of one of its partitions."""
    cells = [(quoted(name), kind) for name, kind in columns]
    text = types.row(cells, int64_timestamps=page.int64_timestamps)
    where = _of_day(table, day)
    source = f"(select * from {table.place} where {where} limit {page.size} offset {page.first})"
    cursor.execute(_PLAIN)
    cursor.execute(f"select {text} from {source}")
    while found := cursor.fetchmany(_STEP):
        yield from (row for (row,) in found)


def count(cursor: duckdb.DuckDBPyConnection, table: Table, day: str) -> int:
    """How many rows a table, or one of its partitions, has."""
    if not day:
        return table.rows
    text = f"select count(*) from {table.place} where {_of_day(table, day)}"
    return int(cursor.execute(text).fetchall()[0][0])


def fitting(texts: Iterator[str]) -> Iterator[str]:
    """Rows up to BigQuery's size of a page; one at least."""
    total = 0
    for text in texts:
        total += len(text)
        if total > PAGE_BYTES and total > len(text):
            return
        yield text


def _of_day(table: Table, day: str) -> str:
    if not day:
        return "true"
    if not table.is_partitioned or not re.fullmatch(r"\d{8}", day):
        raise ApiError("invalid", f"Invalid partition decorator ${day} of {table.id}")
    return f"strftime({PARTITION_TIME}, '%Y%m%d') = '{day}'"
