"""A query's rows as arrow: over the BigQuery Storage API where it can be had, else over REST.

Storage is gRPC and needs the package google-cloud-bigquery-storage and the right
bigquery.readsessions.create. Without either, pages of JSON are made arrow column by column
(pages.py); the client's own conversion looks at every cell in Python.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator

from pipelines.core.ahead import ahead
from pipelines.providers.gcp.bigquery.pages import Cells

log = logging.getLogger(__name__)

_NO_STORAGE = (
    exceptions.Forbidden,
    exceptions.NotFound,
    exceptions.MethodNotImplemented,
    exceptions.ServiceUnavailable,
    exceptions.RetryError,
)


def tables(
    rows: RowIterator, schema: pa.Schema, storage: Callable[[], Any] = lambda: None
) -> Iterator[pa.Table]:
    """The rows in `schema`, batch by batch. `storage` gives a Storage client or None."""
    client = storage() if rows.total_rows else None
    if client is not None:
        batches = rows.to_arrow_iterable(bqstorage_client=client)
        try:
            first = next(batches, None)
        except _NO_STORAGE as error:
            log.info("gcp: no BigQuery Storage (%s), REST pages instead", type(error).__name__)
        else:
            read = batches if first is None else chain([first], batches)
            for batch in read:
                yield pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema)
            return
    for page in ahead(rows.pages, "page"):
        yield of_page(page.raw_page.get("rows", []), schema)


def storage_client(client: bigquery.Client) -> Any:
    """A Storage client with the same credentials, None where its package is not installed."""
    try:
        package = import_module("google.cloud.bigquery_storage")
    except ImportError:
        return None
    return package.BigQueryReadClient(credentials=client._credentials)


def of_page(rows: Cells | list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of the REST API, `{"f": [{"v": text}, …]}`, as arrow."""
    columns: Iterable[Any] = ([] for _ in schema)
    if isinstance(rows, Cells):
        columns = rows.columns() if len(rows) else columns
    elif rows:
        columns = zip(*([cell["v"] for cell in row["f"]] for row in rows), strict=True)
    return pa.Table.from_arrays(
        [_column(texts, field.type) for texts, field in zip(columns, schema, strict=True)],
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
