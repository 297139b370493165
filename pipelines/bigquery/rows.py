"""A query's rows as arrow, of REST pages and of the Storage Read API: the same tables of both.

Pages of JSON are made arrow column by column (pages.py); the client's own conversion looks at every
cell in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.cloud.bigquery.table import RowIterator

from pipelines.bigquery.pages import Rows, by_column
from pipelines.core.ahead import ahead


def tables(rows: RowIterator, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in `schema`, page by page."""
    for page in ahead(rows.pages, "page"):
        yield of_page(page.raw_page.get("rows", []), schema)


def of_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Rows of the Storage Read API; their columns are those of the query, in its order."""
    columns = zip(batch.columns, schema.types, strict=True)
    return pa.Table.from_arrays([_as(column, kind) for column, kind in columns], schema=schema)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in another type of its kind. A number goes by its text, as REST has it."""
    if column.type == kind:
        return column
    is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return (column.cast(pa.string()) if is_number else column).cast(kind)


def of_page(rows: Rows | list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of the REST API, `{"f": [{"v": text}, …]}`, as arrow."""
    cells: Iterable[Any] = ([] for _ in schema)
    if len(rows):
        cells = rows.columns() if isinstance(rows, Rows) else by_column(rows)
    return pa.Table.from_arrays(
        [_column(texts, field.type) for texts, field in zip(cells, schema, strict=True)],
        schema=schema,
    )


def _column(texts: Any, kind: pa.DataType) -> pa.Array:
    """Texts of one column in its type; a time is a whole number of microseconds."""
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    if kind == pa.string():
        return column
    if pa.types.is_boolean(kind):
        return pc.equal(column, "true")
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).cast(kind)
    return column.cast(kind)
