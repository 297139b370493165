"""The bytes of a data file: parquet as AWS compresses it, csv.gz, the same for the same input."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def parquet(table: pa.Table, *, int96: bool = False, keep_schema: bool = False) -> bytes:
    """A snappy parquet file. AWS's files carry no arrow schema; `keep_schema` adds it, for types
    that only exist there (dictionary, large_string)."""
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="snappy",
        use_deprecated_int96_timestamps=int96,
        store_schema=keep_schema,
    )
    return sink.getvalue()


def csv_gz(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A gzip'd csv with one header line; mtime 0, so the same rows give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([field(value) for value in row] for row in rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def field(value: Any) -> str:
    """A value as AWS prints it: no exponents, times as `2026-10-01T00:00:00Z`, maps as JSON."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)
