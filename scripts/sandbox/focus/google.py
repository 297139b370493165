"""Google's two forms of FOCUS in BigQuery: its export, and the view over its detailed export.

Sources: Google, "Structure of FOCUS data export" (1.2, a table that Google keeps, labels in columns
of their own); Google, "FOCUS BigQuery view" (1.0 of March 2024: months begin at midnight in
California, words are in lower case, tags carry where they come from).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from scripts.sandbox.focus.rows import Row, row

EXPORT_TABLE = (
    "example-billing.gcp_billing_immutable_01A2B3_C4D5E6_F70819_us."
    "gcp_billing_export_focus_01A2B3_C4D5E6_F70819"
)
VIEW = "example-billing.finops.focus_view"

_TEXT, _NUMERIC, _MOMENT = pa.string(), pa.decimal128(38, 9), pa.timestamp("us", "UTC")
_LABELS = pa.list_(pa.struct([("Key", _TEXT), ("Value", _TEXT)]))
_PROJECT = pa.struct([("Id", _TEXT), ("Number", _TEXT), ("Name", _TEXT)])
_CREDITS = pa.list_(
    pa.struct([("Name", _TEXT), ("Amount", _NUMERIC), ("Id", _TEXT), ("Type", _TEXT)])
)
_OF_BOTH = {
    **dict.fromkeys(
        """AvailabilityZone BillingAccountId BillingCurrency ChargeCategory ChargeClass
        ChargeDescription ConsumedUnit PricingCategory PricingUnit ProviderName PublisherName
        RegionId RegionName ResourceId ResourceName ServiceName SkuId SkuPriceId SubAccountId
        x_CostType x_Location x_ServiceId""".split(),
        _TEXT,
    ),
    **dict.fromkeys(
        """BilledCost ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost
        ListUnitPrice PricingQuantity""".split(),
        _NUMERIC,
    ),
    **dict.fromkeys(
        """BillingPeriodStart BillingPeriodEnd ChargePeriodStart ChargePeriodEnd
        x_ExportTime""".split(),
        _MOMENT,
    ),
    "x_Credits": _CREDITS,
    "x_Project": _PROJECT,
}
EXPORT = pa.schema(
    list(
        {
            **_OF_BOTH,
            "SubAccountName": _TEXT,
            "BillingAccountType": _TEXT,
            "PricingCurrency": _TEXT,
            "PricingCurrencyEffectiveCost": _NUMERIC,
            "x_CurrencyConversionRate": pa.float64(),
            "x_Labels": _LABELS,
            "x_ProjectLabels": _LABELS,
            "x_SystemLabels": _LABELS,
            "x_Tags": pa.list_(
                pa.struct(
                    [("Key", _TEXT), ("Value", _TEXT), ("x_Inherited", pa.bool_()),
                     ("x_Namespace", _TEXT)]
                )
            ),
        }.items()
    )
)  # fmt: skip
VIEW_SCHEMA = pa.schema(
    list(
        {
            **_OF_BOTH,
            "ResourceType": _TEXT,
            "ServiceCategory": _TEXT,
            "CommitmentDiscountCategory": _TEXT,
            "CommitmentDiscountId": _TEXT,
            "CommitmentDiscountName": _TEXT,
            "x_CurrencyConversionRate": _NUMERIC,
            "Tags": pa.list_(
                pa.struct(
                    [("key", _TEXT), ("value", _TEXT), ("x_type", _TEXT),
                     ("x_inherited", pa.bool_()), ("x_namespace", _TEXT)]
                )
            ),
        }.items()
    )
)  # fmt: skip
_PACIFIC = ZoneInfo("America/Los_Angeles")


def exported(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Google's export."""
    made = row(month, day, cost, "Google Cloud")
    own = {
        "BillingAccountId": "01A2B3-C4D5E6-F70819",
        "BillingAccountType": "Billing account",
        "PricingCurrency": "USD",
        "PricingCurrencyEffectiveCost": cost,
        "x_CostType": "regular",
        "x_Credits": [{"Name": "Spend-based CUD", "Amount": -0.25, "Id": "c", "Type": "DISCOUNT"}],
        "x_CurrencyConversionRate": 1.0,
        "x_ExportTime": made["ChargePeriodEnd"] + timedelta(hours=5),
        "x_Labels": [{"Key": "team", "Value": "web"}, {"Key": "app", "Value": "shop"}],
        "x_Project": {"Id": "web-prod", "Number": "42", "Name": "Web"},
        "x_ProjectLabels": [
            {"Key": "team", "Value": "all"},
            {"Key": "Environment", "Value": "prod"},
        ],
        "x_SystemLabels": [{"Key": "machine", "Value": "n2"}],
        "x_Tags": [{"Key": "app", "Value": "tag"}, {"Key": "size", "Value": "s"}],
    }
    return made | own | changes


def viewed(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Google's view."""
    begin = datetime.fromisoformat(f"{month}-01").replace(tzinfo=_PACIFIC)
    last = (begin + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    made = exported(month, day, cost)
    own = {
        "BillingPeriodStart": begin.astimezone(UTC),
        "BillingPeriodEnd": last.astimezone(UTC),
        "ChargeCategory": "usage",
        "PricingCategory": "standard",
        "Tags": [
            {"key": "team", "value": "web", "x_type": "label", "x_inherited": False},
            {"key": "Environment", "value": "prod", "x_type": "tag", "x_inherited": True},
        ],
    }
    return made | own | changes


def table_of(rows: Sequence[Row], schema: pa.Schema = EXPORT) -> pa.Table:
    """Rows as a table of BigQuery."""
    given = [
        {name: _as(each.get(name), schema.field(name)) for name in schema.names} for each in rows
    ]
    return pa.Table.from_pylist(given, schema=schema)


def _as(value: Any, field: pa.Field) -> Any:
    if isinstance(value, float) and pa.types.is_decimal(field.type):
        return Decimal(repr(value))
    if field.name == "x_Credits" and value:
        return [each | {"Amount": Decimal(repr(each["Amount"]))} for each in value]
    return value
