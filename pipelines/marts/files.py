"""Files that are computed: the footer says what each was made of, and so when it is stale."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.destinations.filesystem.footers import footer_of
from pipelines.destinations.filesystem.store import Store
from pipelines.marts.catalogue import DuckConnection

log = logging.getLogger(__name__)

LOCK = "marts"
"""Of the computing run's lock and its scratch folder."""
_ROWS = 100_000


def listing(store: Store, pattern: str, besides: str) -> str:
    """Path and version (ETag, or time and size) of each published file but the one `besides`."""
    paths = [path for path in store.glob(pattern) if path != besides]
    return json.dumps([[path, version(store, path)] for path in paths])


def version(store: Store, path: str) -> str:
    """What is another after a file has been published again: its ETag, or time and size."""
    info = store.fs.info(path)
    return str(info.get("ETag") or [info.get("mtime"), info["size"]])


def inputs_of(store: Store, path: str) -> str:
    """The digest of what a computed file was made of; '' when no file can be read."""
    try:
        with store.open(path) as file:
            return footer_of(pq.ParquetFile(file)).get("inputs", "")
    except FileNotFoundError:
        return ""
    except pa.ArrowInvalid as error:
        log.warning("%s cannot be read and is computed again: %s", path, error)
        return ""


def publish(
    store: Store,
    connection: DuckConnection,
    select: str,
    schema: pa.Schema,
    published: str,
    made_of: str,
) -> int:
    """Publish the rows of a select as one file, in batches; their number."""
    names = ", ".join(f'"{column}"' for column in schema.names)
    rows = connection.duck.sql(f"select {names} from (\n{select}\n)").to_arrow_reader(_ROWS)
    tables = (pa.Table.from_batches([batch]).cast(schema) for batch in rows)
    return publish_rows(store, tables, schema, published, made_of)


def publish_rows(
    store: Store, tables: Iterable[pa.Table], schema: pa.Schema, published: str, made_of: str
) -> int:
    """Publish the rows of tables of this schema as one file; their number."""
    target, count = store.target(LOCK), 0
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for table in tables:
            writer.write_table(table)
            count += table.num_rows
        writer.add_key_value_metadata({"inputs": made_of})
    store.publish_file(target, published)
    return count
