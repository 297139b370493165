"""Columns of Google's billing exports to BigQuery, in Google's order and types.

Source: "Structure of Standard data export" and "Structure of Detailed data export"
(cloud.google.com/billing/docs/how-to/export-data-bigquery-tables), price and consumption model as
of 2025-07-15. `cost`, `cost_at_list` and credits are FLOAT64, prices and the other costs NUMERIC.
"""

from __future__ import annotations

import pyarrow as pa

_TEXT = pa.string()
_FLOAT = pa.float64()
_NUMERIC = pa.decimal128(38, 9)
_MOMENT = pa.timestamp("us", "UTC")


def _record(**fields: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind) for name, kind in fields.items()])


_LABELS = pa.list_(_record(key=_TEXT, value=_TEXT))
_PROJECT = _record(
    id=_TEXT,
    number=_TEXT,
    name=_TEXT,
    labels=_LABELS,
    ancestry_numbers=_TEXT,
    ancestors=pa.list_(_record(resource_name=_TEXT, display_name=_TEXT)),
)
_TAGS = pa.list_(_record(key=_TEXT, value=_TEXT, inherited=pa.bool_(), namespace=_TEXT))
_CREDITS = pa.list_(_record(name=_TEXT, amount=_FLOAT, full_name=_TEXT, id=_TEXT, type=_TEXT))
_PRICE = _record(
    effective_price=_NUMERIC,
    tier_start_amount=_NUMERIC,
    unit=_TEXT,
    pricing_unit_quantity=_NUMERIC,
    list_price=_NUMERIC,
    effective_price_default=_NUMERIC,
    list_price_consumption_model=_NUMERIC,
)

#: What the detailed export alone has.
DETAILED_ONLY = ("resource", "subscription")
#: The partition a row landed in; a pseudo-column in BigQuery.
PARTITION_TIME = "_PARTITIONTIME"

DETAILED = pa.schema(
    {
        "billing_account_id": _TEXT,
        "service": _record(id=_TEXT, description=_TEXT),
        "sku": _record(id=_TEXT, description=_TEXT),
        "usage_start_time": _MOMENT,
        "usage_end_time": _MOMENT,
        "project": _PROJECT,
        "labels": _LABELS,
        "system_labels": _LABELS,
        "location": _record(location=_TEXT, country=_TEXT, region=_TEXT, zone=_TEXT),
        "resource": _record(name=_TEXT, global_name=_TEXT),
        "tags": _TAGS,
        "price": _PRICE,
        "subscription": _record(instance_id=_TEXT),
        "transaction_type": _TEXT,
        "seller_name": _TEXT,
        "export_time": _MOMENT,
        "cost": _FLOAT,
        "currency": _TEXT,
        "currency_conversion_rate": _FLOAT,
        "usage": _record(
            amount=_FLOAT, unit=_TEXT, amount_in_pricing_units=_FLOAT, pricing_unit=_TEXT
        ),
        "credits": _CREDITS,
        "invoice": _record(month=_TEXT, publisher_type=_TEXT),
        "cost_type": _TEXT,
        "adjustment_info": _record(id=_TEXT, description=_TEXT, mode=_TEXT, type=_TEXT),
        "cost_at_list": _FLOAT,
        "cost_at_effective_price_default": _NUMERIC,
        "cost_at_list_consumption_model": _NUMERIC,
        "consumption_model": _record(id=_TEXT, description=_TEXT),
        PARTITION_TIME: _MOMENT,
    }.items()
)
STANDARD = pa.schema([field for field in DETAILED if field.name not in DETAILED_ONLY])
