"""AWS's own FOCUS 1.0 or 1.2 export, one row per FOCUS row. Twin: sql/20_aws.sql.

Its columns are ours by name (PascalCase became snake_case at load), its figures as delivered.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipelines.normalize.columns import (
    Raw,
    by_kind,
    first_text,
    literal,
    lookup,
    no_amounts,
    require,
    units_per_usd,
)
from pipelines.normalize.copied import whole
from pipelines.normalize.tags import entries, stripped, tag_columns
from pipelines.providers.aws.contract import REQUIRED
from pipelines.tables.copied import copied
from pipelines.tables.schema import COSTS, Context, cost_columns

_COPIED = copied("aws/columns_focus")
_CATEGORIES = "x_cost_categories"
CATEGORIES = {name: name for name in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")}


def is_focus(schema: pa.Schema) -> bool:
    """Whether a raw table is a FOCUS export rather than a Cost and Usage Report."""
    return "billed_cost" in schema.names and "line_item_unblended_cost" not in schema.names


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED["FOCUS"], "A FOCUS export")
    wanted = [column for column in COSTS if column.focus and column.name in schema.names]
    categories = [_CATEGORIES] if _CATEGORIES in schema.names else []
    encoded = [column.name for column in wanted if column.type in ("text", "map")] + categories
    return [column.name for column in wanted] + categories, encoded


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The cost shape of one batch of raw rows: arrow-backed columns, text dictionary-encoded.

    Raises ShapeError when a required column is missing or a column has a type that cannot be used.
    """
    require(table.schema, REQUIRED["FOCUS"], "A FOCUS export")
    raw = Raw(table)
    n = raw.rows
    category = lookup(raw.text("charge_category"), CATEGORIES, "unclassified")
    start = raw.time("charge_period_start")
    currency = raw.text("billing_currency")
    billed = raw.number("billed_cost")
    effective = raw.number("effective_cost")
    tag = stripped(entries(raw, "tags"))
    rate = units_per_usd(currency)
    return whole(
        cost_columns(context.tag_columns),
        raw,
        _COPIED,
        {
            # who
            "provider_name": first_text(raw.text("provider_name"), literal("AWS", n)),
            # what
            "charge_category": category,
            "service_category": first_text(raw.text("service_category"), literal("Other", n)),
            # tags
            "tags": tag.map(),
            **tag_columns(tag, context.tag_columns),
            # ours
            "x_cost_categories": entries(raw, _CATEGORIES).map(),
            "x_usage_date": start.cast(pa.date32(), safe=False),
            "x_partition": literal(context.partition, n),
            "x_credit_amount": by_kind(category, {"Credit": billed}, otherwise=0.0),
            "x_credits": no_amounts(n),
            "x_currency_rate_usd": rate,
            "x_billed_cost_usd": billed / rate,
            "x_effective_cost_usd": effective / rate,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
    )
