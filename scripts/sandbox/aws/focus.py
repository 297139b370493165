"""CUR 2.0 rows as AWS's FOCUS export has them: one row per charge, names in PascalCase.

A savings plan fee and a reservation fee are a Purchase and, when commitment went unused, a Usage
row with the unused part as EffectiveCost; SavingsPlanNegation rows do not exist, the usage they
negate is billed 0. Split-cost rows are left out. The sums of BilledCost and EffectiveCost equal
those of the CUR. Sources: AWS Data Exports user guide, "FOCUS 1.0/1.2 with AWS columns"; FOCUS
specification, handling of commitment discounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from scripts.sandbox.aws import columns as cur_columns

Row = Mapping[str, Any]
Version = Literal["1.0", "1.2"]

_COLUMNS_1_0 = """AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency
    BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass ChargeDescription
    ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory
    CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType
    ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost
    InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit
    ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType
    ServiceCategory ServiceName SkuId SkuPriceId SubAccountId SubAccountName Tags""".split()
_ADDED_1_2 = """BillingAccountType CapacityReservationId CapacityReservationStatus
    CommitmentDiscountQuantity CommitmentDiscountUnit InvoiceId PricingCurrency
    PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice
    ServiceSubcategory SkuMeter SkuPriceDetails SubAccountType""".split()
_AWS = {
    "1.0": ["x_CostCategories", "x_Discounts", "x_Operation", "x_ServiceCode", "x_UsageType"],
    "1.2": ["x_Discounts", "x_Operation", "x_ServiceCode"],
}
_MAPS = {
    "Tags": cur_columns.TEXT_MAP,
    "SkuPriceDetails": cur_columns.TEXT_MAP,
    "x_CostCategories": cur_columns.TEXT_MAP,
    "x_Discounts": cur_columns.NUMBER_MAP,
}
_SERVICES = {
    "AmazonEC2": ("Amazon Elastic Compute Cloud", "Compute"),
    "AmazonS3": ("Amazon Simple Storage Service", "Storage"),
    "AmazonRDS": ("Amazon Relational Database Service", "Databases"),
    "AmazonEKS": ("Amazon Elastic Kubernetes Service", "Compute"),
    "AWSLambda": ("AWS Lambda", "Compute"),
    "AWSDataTransfer": ("AWS Data Transfer", "Networking"),
    "AWSELB": ("Elastic Load Balancing", "Networking"),
    "AmazonCloudWatch": ("Amazon CloudWatch", "Management and Governance"),
    "ComputeSavingsPlans": ("Savings Plans for AWS Compute usage", "Compute"),
}
_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
}
_SPLIT_COST = {"EKSPod-EC2", "ECSTask-EC2"}
_COVERED = {"DiscountedUsage", "SavingsPlanCoveredUsage"}
_CHARGES = {
    "Tax": ("Tax", "One-Time"),
    "Credit": ("Credit", "One-Time"),
    "Refund": ("Adjustment", "One-Time"),
    "Fee": ("Purchase", "One-Time"),
    "SavingsPlanUpfrontFee": ("Purchase", "One-Time"),
    "RIFee": ("Purchase", "Recurring"),
    "SavingsPlanRecurringFee": ("Purchase", "Recurring"),
}


def columns(version: Version) -> list[str]:
    """The columns of an export, in AWS's order: by name, AWS's own last."""
    added = _ADDED_1_2 if version == "1.2" else []
    return sorted([*_COLUMNS_1_0, *added]) + _AWS[version]


def column_type(name: str) -> pa.DataType:
    """The arrow type of a FOCUS column as AWS delivers it."""
    if name in _MAPS:
        return _MAPS[name]
    if name.endswith(("PeriodStart", "PeriodEnd")):
        return cur_columns.TIME
    return cur_columns.NUMBER if name.endswith(("Cost", "Price", "Quantity")) else cur_columns.TEXT


def focus_rows(rows: Sequence[Row], version: Version) -> list[dict[str, Any]]:
    """FOCUS rows of CUR 2.0 rows, in their order."""
    names = set(columns(version))
    made = (line for row in rows for line in _lines(row))
    return [{name: value for name, value in line.items() if name in names} for line in made]


def _lines(row: Row) -> Iterator[dict[str, Any]]:
    kind = row.get("line_item_line_item_type")
    if kind == "SavingsPlanNegation" or row.get("line_item_operation") in _SPLIT_COST:
        return
    billed, effective, public = _costs(row)
    yield {
        **_identity(row),
        **_charge(row),
        "BilledCost": billed,
        "EffectiveCost": effective,
        "ListCost": public,
        "ContractedCost": _net(row, "line_item", "unblended_cost"),
        "PricingCurrencyEffectiveCost": effective,
        "Tags": _tags(row),
        "x_Discounts": row.get("discount") or {},
        "x_CostCategories": row.get("cost_category") or {},
    }
    unused = _unused(row)
    if unused:
        yield _unused_line(row, unused)


def _unused_line(row: Row, unused: float) -> dict[str, Any]:
    return {
        **_identity(row),
        **_charge(row),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "CommitmentDiscountStatus": "Unused",
        "PricingCategory": "Committed",
        "BilledCost": 0.0,
        "EffectiveCost": unused,
        "PricingCurrencyEffectiveCost": unused,
        "ListCost": 0.0,
        "ContractedCost": 0.0,
        "Tags": _tags(row),
        "x_Discounts": {},
        "x_CostCategories": {},
    }


def amortized(row: Row) -> float:
    """What Cost Explorer calls the net amortized cost of a line."""
    kind, unused = row.get("line_item_line_item_type"), _unused(row)
    if kind == "SavingsPlanNegation":
        return 0.0
    total = row.get("savings_plan_total_commitment_to_date")
    if kind == "SavingsPlanRecurringFee" and total:  # of which only the parts have net columns
        parts = ("amortized_upfront_commitment", "recurring_commitment")
        net = sum(_net(row, "savings_plan", f"{part}_for_billing_period") for part in parts)
        unused *= net / total
    return _costs(row)[1] + unused


def _costs(row: Row) -> tuple[float, float, float]:
    """Billed, effective and list cost of the row's own charge, without its unused part."""
    kind, net = row.get("line_item_line_item_type"), _net(row, "line_item", "unblended_cost")
    public = row.get("pricing_public_on_demand_cost")
    arn = row.get("reservation_reservation_a_r_n")
    if kind == "DiscountedUsage":
        return net, _net(row, "reservation", "effective_cost"), public or 0.0
    if kind == "SavingsPlanCoveredUsage":
        return 0.0, _net(row, "savings_plan", "savings_plan_effective_cost"), public or 0.0
    prepaid = kind in {"RIFee", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee"}
    returned = kind == "Refund" and row.get("line_item_product_code") == "ComputeSavingsPlans"
    if prepaid or returned or (kind == "Fee" and arn):
        return net, 0.0, net
    return net, net, net if public is None else public


def _unused(row: Row) -> float:
    kind = row.get("line_item_line_item_type")
    if kind == "RIFee":
        upfront = _net(row, "reservation", "unused_amortized_upfront_fee_for_billing_period")
        return upfront + _net(row, "reservation", "unused_recurring_fee")
    if kind == "SavingsPlanRecurringFee":
        total = row.get("savings_plan_total_commitment_to_date") or 0.0
        return float(total - (row.get("savings_plan_used_commitment") or 0.0))
    return 0.0


def _net(row: Row, group: str, name: str) -> float:
    """The net column where AWS wrote one, else the gross."""
    net = row.get(f"{group}_net_{name}")
    return float((row.get(f"{group}_{name}") or 0.0) if net is None else net)


def _identity(row: Row) -> dict[str, Any]:
    code = row.get("line_item_product_code") or ""
    product = row.get("product") or {}
    service, category = _SERVICES.get(code, (product.get("product_name") or code, "Other"))
    region = row.get("product_region_code") or None
    return {
        "AvailabilityZone": row.get("line_item_availability_zone") or None,
        "BillingAccountId": row.get("bill_payer_account_id"),
        "BillingAccountName": row.get("bill_payer_account_name"),
        "BillingAccountType": "Master",
        "BillingCurrency": row.get("line_item_currency_code"),
        "BillingPeriodStart": row.get("bill_billing_period_start_date"),
        "BillingPeriodEnd": row.get("bill_billing_period_end_date"),
        "InvoiceId": row.get("bill_invoice_id") or None,
        "InvoiceIssuerName": row.get("bill_invoicing_entity"),
        "ProviderName": "AWS",
        "PublisherName": row.get("line_item_legal_entity"),
        "RegionId": region,
        "RegionName": _REGIONS.get(region or ""),
        "ResourceId": row.get("line_item_resource_id") or None,
        "ResourceName": _tags(row).get("Name"),
        "ResourceType": row.get("product_product_family") or None,
        "ServiceCategory": category,
        "ServiceName": service,
        "SkuId": row.get("product_sku") or None,
        "SkuPriceId": row.get("pricing_rate_code") or None,
        "SkuMeter": row.get("line_item_usage_type") or None,
        "SkuPriceDetails": {},
        "SubAccountId": row.get("line_item_usage_account_id"),
        "SubAccountName": row.get("line_item_usage_account_name"),
        "SubAccountType": "Linked",
        "x_Operation": row.get("line_item_operation") or None,
        "x_ServiceCode": code or None,
        "x_UsageType": row.get("line_item_usage_type") or None,
    }


def _charge(row: Row) -> dict[str, Any]:
    kind = row.get("line_item_line_item_type")
    category, frequency = _CHARGES.get(kind or "", ("Usage", "Usage-Based"))
    plan = row.get("savings_plan_savings_plan_a_r_n") or None
    reservation = row.get("reservation_reservation_a_r_n") or None
    metered = category == "Usage"
    quantity = row.get("line_item_usage_amount")
    pricing = None
    if metered:
        spot = "SpotUsage" in (row.get("line_item_usage_type") or "")
        pricing = "Committed" if kind in _COVERED else "Dynamic" if spot else "Standard"
    return {
        "ChargeCategory": category,
        "ChargeDescription": row.get("line_item_line_item_description"),
        "ChargeFrequency": frequency,
        "ChargePeriodStart": row.get("line_item_usage_start_date"),
        "ChargePeriodEnd": row.get("line_item_usage_end_date"),
        "CommitmentDiscountId": plan or reservation,
        "CommitmentDiscountCategory": "Spend" if plan else "Usage" if reservation else None,
        "CommitmentDiscountType": (
            "Savings Plan" if plan else "Reserved Instance" if reservation else None
        ),
        "CommitmentDiscountStatus": "Used" if kind in _COVERED else None,
        "ConsumedQuantity": quantity if metered else None,
        "ConsumedUnit": row.get("pricing_unit") if metered else None,
        "PricingCategory": pricing,
        "PricingCurrency": row.get("line_item_currency_code"),
        "PricingQuantity": quantity,
        "PricingUnit": row.get("pricing_unit"),
    }


def _tags(row: Row) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, value in (row.get("resource_tags") or {}).items():
        tags.setdefault(key.removeprefix("user:").removeprefix("user_"), value)
    return tags
