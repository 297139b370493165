"""How normalised and daily rows are written: one parquet file, with measured settings.

Text, times and what is the same in most rows as dictionaries, other floats plain, statistics only
where a reader can skip by them, zstd level 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.normalize import columns
from pipelines.normalize.tags import MAP
from pipelines.tables.daily import LINES

_SAME = {"x_credit_amount", "x_currency_rate_usd"}


def file_schema(shape: pa.Schema) -> pa.Schema:
    """A shape as it is written: with text dictionary-encoded in memory."""
    encoded = {pa.string(): columns.TEXT, pa.map_(pa.string(), pa.string()): MAP}
    return pa.schema([field.with_type(encoded.get(field.type, field.type)) for field in shape])


def writer(target: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of rows in a `file_schema`."""
    return pq.ParquetWriter(target, schema, **_settings(schema))


def _settings(schema: pa.Schema) -> dict[str, Any]:
    """Arguments of the parquet writer. Without the arrow schema readers see plain text."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    same = [name for name in schema.names if name in _SAME or name.startswith(LINES)]
    times = [field.name for field in schema if pa.types.is_temporal(field.type)]
    text = [field.name for field in schema if field.type == columns.TEXT]
    maps = [field.name for field in schema if pa.types.is_map(field.type)]
    leaves = [f"{name}.key_value.{part}" for name in maps for part in ("key", "value")]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "store_schema": False,
        "use_dictionary": text + times + same + leaves,
        "write_statistics": floats + times,
    }
