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
    frame,
    literal,
    lookup,
    no_amounts,
    nulls,
    require,
    units_per_usd,
)
from pipelines.normalize.tags import entries, stripped, tag_columns
from pipelines.providers.aws.contract import REQUIRED
from pipelines.tables.schema import COSTS, Context

CATEGORIES = {name: name for name in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")}


def is_focus(schema: pa.Schema) -> bool:
    """Whether a raw table is a FOCUS export rather than a Cost and Usage Report."""
    return "billed_cost" in schema.names and "line_item_unblended_cost" not in schema.names


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """Those of a raw file's columns to read, and those of them to read dictionary-encoded."""
    require(schema, REQUIRED["FOCUS"], "A FOCUS export")
    wanted = [column for column in COSTS if column.focus and column.name in schema.names]
    encoded = [column.name for column in wanted if column.type in ("text", "map")]
    return [column.name for column in wanted], encoded


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
    return frame(
        {
            # who
            "provider_name": first_text(raw.text("provider_name"), literal("AWS", n)),
            "publisher_name": raw.text("publisher_name"),
            "invoice_issuer_name": raw.text("invoice_issuer_name"),
            "billing_account_id": raw.text("billing_account_id"),
            "billing_account_name": raw.text("billing_account_name"),
            "sub_account_id": raw.text("sub_account_id"),
            "sub_account_name": raw.text("sub_account_name"),
            # when
            "billing_period_start": raw.time("billing_period_start"),
            "billing_period_end": raw.time("billing_period_end"),
            "charge_period_start": start,
            "charge_period_end": raw.time("charge_period_end"),
            # what
            "charge_category": category,
            "charge_class": raw.text("charge_class"),
            "charge_description": raw.text("charge_description"),
            "charge_frequency": raw.text("charge_frequency"),
            "service_category": first_text(raw.text("service_category"), literal("Other", n)),
            "service_name": raw.text("service_name"),
            "sku_id": raw.text("sku_id"),
            "sku_price_id": raw.text("sku_price_id"),
            "region_id": raw.text("region_id"),
            "region_name": raw.text("region_name"),
            "availability_zone": raw.text("availability_zone"),
            "resource_id": raw.text("resource_id"),
            "resource_name": raw.text("resource_name"),
            "resource_type": raw.text("resource_type"),
            # how much
            "consumed_quantity": raw.number("consumed_quantity"),
            "consumed_unit": raw.text("consumed_unit"),
            "pricing_quantity": raw.number("pricing_quantity"),
            "pricing_unit": raw.text("pricing_unit"),
            "pricing_category": raw.text("pricing_category"),
            # money
            "billed_cost": billed,
            "effective_cost": effective,
            "list_cost": raw.number("list_cost"),
            "contracted_cost": raw.number("contracted_cost"),
            "billing_currency": currency,
            # commitment
            "commitment_discount_id": raw.text("commitment_discount_id"),
            "commitment_discount_type": raw.text("commitment_discount_type"),
            "commitment_discount_category": raw.text("commitment_discount_category"),
            "commitment_discount_status": raw.text("commitment_discount_status"),
            # tags
            "tags": tag.map(),
            **tag_columns(tag, context.tag_columns),
            # ours
            "x_usage_date": start.cast(pa.date32(), safe=False),
            "x_source": literal("aws", n),
            "x_partition": literal(context.partition, n),
            "x_line_item_type": nulls(n),
            "x_credit_amount": by_kind(category, {"Credit": billed}, otherwise=0.0),
            "x_credits": no_amounts(n),
            "x_currency_rate_usd": rate,
            "x_billed_cost_usd": billed / rate,
            "x_effective_cost_usd": effective / rate,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        }
    )
