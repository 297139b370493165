"""Exchange rates, one row per business day and currency. Twin: sql/10_fx_rates.sql."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipelines.normalize.columns import Raw, frame, literal, require, wrong_type
from pipelines.tables.schema import Context

REQUIRED = ("rate_date", "currency", "units_per_eur")


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED, "The rates of the ECB")
    return list(REQUIRED), ["currency"]


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The published shape of one batch of raw rows: arrow-backed columns, exact decimals.

    Raises ShapeError when a column is missing or has a type that cannot be used.
    """
    require(table.schema, REQUIRED, "The rates of the ECB")
    raw = Raw(table)
    n = raw.rows
    return frame(
        {
            "rate_date": _exactly(raw, "rate_date", pa.date32()),
            "currency": raw.text("currency"),
            "units_per_eur": _exactly(raw, "units_per_eur", pa.decimal128(38, 9)),
            "source": literal("ECB", n),
            # ours
            "x_source": literal("fx", n),
            "x_partition": literal(context.partition, n),
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        }
    )


def _exactly(raw: Raw, name: str, kind: pa.DataType) -> pa.Array:
    column = raw.values(name)
    if column is None:
        return pa.nulls(raw.rows, kind)
    if column.type != kind:
        raise wrong_type(name, column.type, str(kind))
    return column
