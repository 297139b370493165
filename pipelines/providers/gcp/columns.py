"""The columns of a billing export as they are landed: records flat, lists as JSON text.

`service.description` becomes service_description; a repeated field such as `credits` or
`project.ancestors` becomes the JSON that BigQuery writes of it, whole and in its order, since keys
need not be unique and both destinations take text. Everything else stays as Google wrote it, and
columns that Google adds come along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from google.cloud.bigquery import SchemaField

from pipelines.core.partition import PartitionError

TEXT, NUMBER, NUMERIC = pa.string(), pa.float64(), pa.decimal128(38, 9)
TIME = pa.timestamp("us", tz="UTC")

CONTRACT: dict[str, pa.DataType] = {
    "billing_account_id": TEXT,
    "service_id": TEXT,
    "service_description": TEXT,
    "sku_id": TEXT,
    "sku_description": TEXT,
    "usage_start_time": TIME,
    "usage_end_time": TIME,
    "project_id": TEXT,
    "project_number": TEXT,
    "project_name": TEXT,
    "project_labels": TEXT,
    "project_ancestry_numbers": TEXT,
    "project_ancestors": TEXT,
    "labels": TEXT,
    "system_labels": TEXT,
    "location_location": TEXT,
    "location_country": TEXT,
    "location_region": TEXT,
    "location_zone": TEXT,
    "resource_name": TEXT,
    "resource_global_name": TEXT,
    "tags": TEXT,
    "price_effective_price": NUMERIC,
    "price_tier_start_amount": NUMERIC,
    "price_unit": TEXT,
    "price_pricing_unit_quantity": NUMERIC,
    "price_list_price": NUMERIC,
    "price_effective_price_default": NUMERIC,
    "price_list_price_consumption_model": NUMERIC,
    "subscription_instance_id": TEXT,
    "transaction_type": TEXT,
    "seller_name": TEXT,
    "export_time": TIME,
    "cost": NUMBER,
    "currency": TEXT,
    "currency_conversion_rate": NUMBER,
    "usage_amount": NUMBER,
    "usage_unit": TEXT,
    "usage_amount_in_pricing_units": NUMBER,
    "usage_pricing_unit": TEXT,
    "credits": TEXT,
    "invoice_month": TEXT,
    "invoice_publisher_type": TEXT,
    "cost_type": TEXT,
    "adjustment_info_id": TEXT,
    "adjustment_info_description": TEXT,
    "adjustment_info_mode": TEXT,
    "adjustment_info_type": TEXT,
    "cost_at_list": NUMBER,
    "cost_at_effective_price_default": NUMERIC,
    "cost_at_list_consumption_model": NUMERIC,
    "consumption_model_id": TEXT,
    "consumption_model_description": TEXT,
}
"""The columns of today's detailed export, and their types once landed."""

REQUIRED = (
    "billing_account_id",
    "usage_start_time",
    "export_time",
    "cost",
    "currency",
    "credits",
    "invoice_month",
    "cost_type",
)
"""Columns that every cost needs: a table without one of them is refused."""

OURS = {"x_credit_total": NUMBER, "x_export_table": TEXT}
"""BigQuery's own sum of the credits, which a check compares with ours; and the row's table."""

# what sql/checks reads of the raw table
CHECKED = pa.schema(
    [
        ("billing_account_id", TEXT),
        ("usage_start_time", TIME),
        ("export_time", TIME),
        ("cost", NUMBER),
        ("currency", TEXT),
        ("x_credit_total", NUMBER),
        ("x_export_table", TEXT),
    ]
)

_TYPES = {
    "STRING": TEXT,
    "FLOAT": NUMBER,
    "FLOAT64": NUMBER,
    "INTEGER": pa.int64(),
    "INT64": pa.int64(),
    "NUMERIC": NUMERIC,
    "BOOLEAN": pa.bool_(),
    "BOOL": pa.bool_(),
    "TIMESTAMP": TIME,
    "DATE": pa.date32(),
}
_RECORDS = ("RECORD", "STRUCT")


@dataclass(frozen=True)
class Selected:
    """One landed column: its name, its type, and BigQuery's expression for it."""

    name: str
    type: pa.DataType
    sql: str


def selected(schema: Iterable[SchemaField], table: str) -> list[Selected]:
    """What to select of a table. Raises PartitionError for a column that is missing or has a kind
    that its rule cannot use."""
    found = list(_flat(schema, ()))
    names = [each.name for each in found]
    _check(found, table)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PartitionError(
            f"{table}: two fields both give the column {', '.join(twice)}. Read Google's own "
            "export table instead of this copy."
        )
    total = "(select ifnull(sum(credit.amount), 0) from unnest(credits) as credit)"
    literal = table.replace("\\", "\\\\").replace("'", "\\'")
    return [
        *found,
        Selected("x_credit_total", NUMBER, total),
        Selected("x_export_table", TEXT, f"'{literal}'"),
    ]


def arrow_schema(columns: Iterable[Selected]) -> pa.Schema:
    """The schema of the landed file."""
    return pa.schema([(each.name, each.type) for each in columns])


EMPTY = pa.schema(list((CONTRACT | OURS).items()))
"""The landed file of a day without rows."""


def _flat(fields: Iterable[SchemaField], path: tuple[str, ...]) -> Iterator[Selected]:
    for field in fields:
        steps = (*path, field.name)
        sql, name = ".".join(f"`{step}`" for step in steps), "_".join(steps).lower()
        if field.mode == "REPEATED":
            yield Selected(name, TEXT, f"to_json_string({sql})")
        elif field.field_type in _RECORDS:
            yield from _flat(field.fields, steps)
        elif field.field_type in _TYPES:
            kind = _TYPES[field.field_type]
            wanted = CONTRACT.get(name, kind)
            yield Selected(name, wanted if _is_number(kind) and _is_number(wanted) else kind, sql)
        else:  # BIGNUMERIC, DATETIME, JSON, BYTES and whatever comes: kept as text
            yield Selected(name, TEXT, f"to_json_string({sql})")


def _check(found: Iterable[Selected], table: str) -> None:
    types = {each.name: each.type for each in found}
    if missing := [name for name in REQUIRED if name not in types]:
        raise PartitionError(
            f"{table} is missing {', '.join(missing)}: it is not a complete billing export. Name a "
            "table gcp_billing_export_v1_… or gcp_billing_export_resource_v1_…; the published "
            "partition stays."
        )
    wrong = [
        f"{name} is {types[name]}, expected {kind}"
        for name, kind in CONTRACT.items()
        if name in types and types[name] != kind
    ]
    if wrong:
        raise PartitionError(
            f"{table}: {'; '.join(wrong)}. The published partition stays; compare the table with "
            "Google's description of the export."
        )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    )
