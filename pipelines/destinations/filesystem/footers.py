"""Small reads of published parquet files: the footer's metadata, the rows of a history."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

log = logging.getLogger(__name__)


def footer_of(file: pq.ParquetFile) -> dict[str, str]:
    """The key-value metadata of a parquet footer, decoded as text."""
    found = file.metadata.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def read_footers(
    opened: Callable[[str], AbstractContextManager[IO[bytes]]], paths: Mapping[str, str]
) -> dict[str, Mapping[str, str]]:
    """The footers of files by the same keys; {} of one that is damaged."""
    found: dict[str, Mapping[str, str]] = {}
    for key, path in paths.items():
        try:
            with opened(path) as file:
                found[key] = footer_of(pq.ParquetFile(file))
        except pa.ArrowInvalid as error:
            log.warning("%s cannot be read: %s", path, error)
            found[key] = {}
    return found


def same_footer(first: Path, second: Path) -> bool:
    """Whether two files are of one size and say the same."""
    with first.open("rb") as one, second.open("rb") as two:
        footers = [footer_of(pq.ParquetFile(io)) for io in (one, two)]
    return footers[0] == footers[1] and first.stat().st_size == second.stat().st_size


def rows_of(file: IO[bytes]) -> list[dict[str, Any]]:
    """Every row of a small file, times aware and UTC.

    `read_table`, and a time with a zone as a Python value, would import pandas for `status`.
    """
    table = pq.ParquetFile(file).read()
    columns = {name: _values(table[name]) for name in table.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    # a view: a cast would import Arrow's compute functions
    naive = (chunk.view(pa.timestamp(column.type.unit)).to_pylist() for chunk in column.chunks)
    return [at and at.replace(tzinfo=UTC) for chunk in naive for at in chunk]
