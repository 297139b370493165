"""What sources without files of their own share: rows as parquet in the landing folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.partition import Delivery, now

ROWS = 100_000
"""Rows of a row group: what a normaliser has in memory at a time."""


def write_rows(
    path: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    advance: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write tables of `schema` into one parquet file, however small they are; how many rows.

    `advance` hears of the rows as they are written. Memory holds one row group.
    """
    rows, waiting, gathered = 0, 0, list[pa.Table]()
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:

        def flush() -> None:
            writer.write_table(pa.concat_tables(gathered).combine_chunks(), row_group_size=ROWS)
            gathered.clear()

        for table in tables:
            gathered.append(table.cast(schema))
            rows, waiting = rows + table.num_rows, waiting + table.num_rows
            advance(table.num_rows)
            if waiting >= ROWS:
                flush()
                waiting = 0
        if gathered:
            flush()
    return rows


def delivered(
    word: str,
    partition: str,
    fingerprint: str,
    paths: Iterable[Path],
    *,
    delivered_at: datetime,
    form: str,
) -> Delivery:
    """The delivery of landed parquet files.

    Their names begin with the fingerprint: a reader caught between listing and reading gets no
    file rather than a mixture.
    """
    files = []
    for number, path in enumerate(paths, 1):
        named = path.with_name(f"{fingerprint[:12]}-{number:05d}.parquet")
        path.rename(named)
        rows, size = pq.read_metadata(named).num_rows, named.stat().st_size
        files.append({"name": named.name, "rows": rows, "bytes": size, "source": "", "etag": ""})
    return Delivery(
        word=word,
        partition=partition,
        fingerprint=fingerprint,
        rows=sum(int(str(file["rows"])) for file in files),
        bytes=sum(int(str(file["bytes"])) for file in files),
        delivered_at=delivered_at,
        loaded_at=now(),
        load_id="",  # the destination knows it
        form=form,
        files=tuple(files),
    )
