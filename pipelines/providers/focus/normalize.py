"""FOCUS rows of any provider as cost lines, one per row. Twin: sql/25_focus.sql.

Columns are ours by name, figures as delivered but for the named rules of corrections.py. An amount
is in its billing currency; `fx` has the rates of other currencies than USD.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipelines.normalize.columns import (
    Raw,
    by_kind,
    first_text,
    literal,
    no_amounts,
    require,
    units_per_usd,
)
from pipelines.normalize.copied import whole
from pipelines.normalize.tags import entries, stripped, tag_columns
from pipelines.providers.focus.contract import KNOWN, PROVIDER, REQUIRED, kind_of
from pipelines.providers.focus.corrections import corrected
from pipelines.tables.copied import copied
from pipelines.tables.schema import Context, cost_columns

_COPIED = copied("focus/columns")
_UNREAD = ("allocated_tags", "sku_price_details", "allocated_method_details", "contract_applied")


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED, "A FOCUS file")
    read = [n for n in (*KNOWN, PROVIDER) if n in schema.names and n not in _UNREAD]
    return read, [name for name in read if kind_of(name) in ("text", "map")]


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The cost shape of one batch of raw rows: arrow-backed columns, text dictionary-encoded.

    Raises ShapeError when a required column is missing or a column has a type that cannot be used.
    """
    require(table.schema, REQUIRED, "A FOCUS file")
    raw = Raw(table)
    n = raw.rows
    provider = first_text(
        raw.text("provider_name"),
        raw.text("service_provider_name"),
        raw.text(PROVIDER),
        literal("unknown", n),
    )
    rules = corrected(raw, provider, context.layout)
    start = raw.time("charge_period_start")
    billed, effective = raw.number("billed_cost"), raw.number("effective_cost")
    tag = stripped(entries(raw, "tags"))
    rate = units_per_usd(raw.text("billing_currency"))
    return whole(
        cost_columns(context.tag_columns),
        raw,
        _COPIED,
        {
            # who
            "provider_name": provider,
            # what
            "service_category": first_text(raw.text("service_category"), literal("Other", n)),
            # what corrections.py may change
            **rules.__dict__,
            # tags
            "tags": tag.map(),
            **tag_columns(tag, context.tag_columns),
            # ours
            "x_usage_date": start.cast(pa.date32(), safe=False),
            "x_partition": literal(context.partition, n),
            "x_credit_amount": by_kind(rules.charge_category, {"Credit": billed}, otherwise=0.0),
            "x_credits": no_amounts(n),
            "x_currency_rate_usd": rate,
            "x_billed_cost_usd": billed / rate,
            "x_effective_cost_usd": effective / rate,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
    )
