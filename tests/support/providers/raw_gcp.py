"""Rows of a billing export as BigQuery has them (nested), as they are landed, and one to vary."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipelines.providers.gcp.columns import EMPTY

Row = dict[str, Any]
TABLE = "example-billing.billing_export.gcp_billing_export_resource_v1_01A2B3_C4D5E6_F70819"

#: A usage line of the detailed export: one hour of an instance with labels, and no credit.
LINE: Row = {
    "billing_account_id": "01A2B3-C4D5E6-F70819",
    "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
    "sku": {"id": "2DA5-55D3-E679", "description": "N2 Instance Core running in Iowa"},
    "usage_start_time": datetime(2026, 10, 30, 7, tzinfo=UTC),
    "usage_end_time": datetime(2026, 10, 30, 8, tzinfo=UTC),
    "project": {
        "id": "shop-production",
        "number": "410000000001",
        "name": "Shop",
        "labels": [{"key": "team", "value": "shop"}],
        "ancestry_numbers": "/821092389413/",
        "ancestors": [{"resource_name": "projects/410000000001", "display_name": "Shop"}],
    },
    "labels": [{"key": "application", "value": "web"}],
    "system_labels": [{"key": "compute.googleapis.com/cores", "value": "4"}],
    "location": {
        "location": "us-central1-a",
        "country": "US",
        "region": "us-central1",
        "zone": "us-central1-a",
    },
    "resource": {"name": "web-1", "global_name": "//compute.googleapis.com/projects/1/web-1"},
    "tags": [{"key": "Environment", "value": "prod", "inherited": True, "namespace": "82"}],
    "price": {
        "effective_price": Decimal("0.031611"),
        "tier_start_amount": Decimal(0),
        "unit": "hour",
        "pricing_unit_quantity": Decimal(1),
    },
    "subscription": None,
    "transaction_type": "GOOGLE",
    "seller_name": None,
    "export_time": datetime(2026, 10, 31, 5, 15, 20, 117000, tzinfo=UTC),
    "cost": 10.0,
    "currency": "USD",
    "currency_conversion_rate": 1.0,
    "usage": {
        "amount": 14400.0,
        "unit": "seconds",
        "amount_in_pricing_units": 4.0,
        "pricing_unit": "hour",
    },
    "credits": [],
    "invoice": {"month": "202610", "publisher_type": "GOOGLE"},
    "cost_type": "regular",
    "adjustment_info": None,
    "cost_at_list": 12.5,
    "cost_at_effective_price_default": Decimal("11.25"),
    "cost_at_list_consumption_model": Decimal("12.5"),
    "consumption_model": {"id": "7754-699E-0EBF", "description": "Default"},
}


def credit(amount: float, kind: str | None = "DISCOUNT", name: str = "A credit") -> Row:
    """A credit; its amount is negative."""
    return {"name": name, "amount": amount, "full_name": "", "id": name, "type": kind}


def labels(**pairs: str) -> list[Row]:
    """Labels as the export has them."""
    return [{"key": key, "value": value} for key, value in pairs.items()]


def landed(rows: Iterable[Row]) -> pa.Table:
    """Nested rows as a load lands them: records flat, lists as JSON text."""
    flat = []
    for row in rows:
        made: Row = {"x_export_table": TABLE}
        for name, value in row.items():
            _flatten(name, value, made)
        amounts = [each["amount"] for each in row["credits"]]
        flat.append(made | {"x_credit_total": sum(amounts, 0.0)})
    return pa.Table.from_pylist(flat, schema=EMPTY)


def _flatten(name: str, value: Any, into: Row) -> None:
    if isinstance(value, dict):
        for inner, each in value.items():
            _flatten(f"{name}_{inner}", each, into)
    elif isinstance(value, list):
        into[name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    else:
        into[name] = value
