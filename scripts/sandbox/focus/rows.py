"""Rows of FOCUS by provider and version: dicts with the specification's names, as providers write.

Sources: the FOCUS specification 1.0 to 1.3; Microsoft, "FOCUS cost and usage details file schema";
Google, "Structure of FOCUS data export"; Oracle, "FOCUS cost report schema"; Databricks,
"system.billing.usage". Account ids and prices are made up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]


def row(month: str, day: int, cost: float, provider: str = "Acme", **changes: Any) -> Row:
    """A day of usage of FOCUS 1.0, all costs alike."""
    start = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    begin = start + timedelta(days=day - 1)
    made: Row = {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "BillingAccountId": "payer-1",
        "BillingAccountName": "Example Ltd",
        "BillingCurrency": "USD",
        "BillingPeriodStart": start,
        "BillingPeriodEnd": (start + timedelta(days=32)).replace(day=1),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "Virtual machine, per hour",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": begin,
        "ChargePeriodEnd": begin + timedelta(days=1),
        "ConsumedQuantity": 24.0,
        "ConsumedUnit": "Hours",
        "InvoiceIssuerName": provider,
        "PricingCategory": "Standard",
        "PricingQuantity": 24.0,
        "PricingUnit": "Hours",
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": "eu-1",
        "RegionName": "Europe 1",
        "ResourceId": f"vm-{day}",
        "ResourceName": f"web-{day}",
        "ResourceType": "Virtual machine",
        "ServiceCategory": "Compute",
        "ServiceName": "Virtual Machines",
        "SkuId": "sku-1",
        "SkuPriceId": "price-1",
        "SubAccountId": "project-1",
        "SubAccountName": "Web",
        "Tags": {"Team": "web", "Environment": "prod"},
    }
    return made | changes


def azure(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Azure's FOCUS 1.0: no availability zone, Microsoft's own columns with x_."""
    resource = f"/subscriptions/1/resourceGroups/web/providers/Microsoft.Compute/vm-{day}"
    own = {
        "RegionId": "westeurope",
        "RegionName": "West Europe",
        "ResourceId": resource,
        "x_BillingExchangeRate": 1.0,
        "x_PricingSubcategory": "Standard",
        "x_ResourceGroupName": "web",
        "x_SkuMeterId": "0b6d1f5c",
    }
    return row(month, day, cost, "Microsoft") | own | changes


def azure_preview(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Azure's FOCUS 1.0-preview(v1), with the columns that 1.0 renamed."""
    made = azure(month, day, cost)
    for name in ("ChargeClass", "ConsumedQuantity", "ConsumedUnit", "RegionId", "RegionName",
                 "ContractedCost"):  # fmt: skip
        del made[name]
    preview = {
        "ChargeSubcategory": "On-Demand",
        "PricingCategory": "On-Demand",
        "Region": "West Europe",
        "UsageQuantity": 24.0,
        "UsageUnit": "Hours",
        "x_OnDemandCost": cost,
    }
    return made | preview | changes


def google(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Google's FOCUS view: tags as a list of structs, a credit's list cost below 0."""
    own = {
        "Tags": [
            {"key": "team", "value": "web", "x_type": "label", "x_inherited": False},
            {"key": "Environment", "value": "prod", "x_type": "project", "x_inherited": True},
        ],
        "x_Credits": [{"name": "Committed usage discount", "amount": -0.25}],
        "x_ExportTime": datetime(2026, 11, 2, tzinfo=UTC),
    }
    return row(month, day, cost, "Google Cloud") | own | changes


def oci(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of Oracle's FOCUS report: Oracle's own columns with oci_."""
    own = {
        "ResourceId": f"ocid1.instance.oc1..{day}",
        "oci_ReferenceNumber": f"V2.{day}",
        "oci_CompartmentName": "web",
        "oci_OverageFlag": "N",
    }
    return row(month, day, cost, "Oracle") | own | changes


def databricks(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of FOCUS 1.2 of Databricks' usage: priced in DBU, billed in USD."""
    own = {
        "BillingAccountType": "Account",
        "ConsumedQuantity": cost / 0.55,
        "ConsumedUnit": "DBU",
        "InvoiceId": None,
        "PricingCurrency": "DBU",
        "PricingCurrencyContractedUnitPrice": 1.0,
        "PricingCurrencyEffectiveCost": cost / 0.55,
        "PricingCurrencyListUnitPrice": 1.0,
        "PricingQuantity": cost / 0.55,
        "PricingUnit": "DBU",
        "ServiceCategory": "Analytics",
        "ServiceName": "Jobs Compute",
        "SkuMeter": "PREMIUM_JOBS_COMPUTE",
        "SubAccountType": "Workspace",
    }
    return row(month, day, cost, "Databricks") | own | changes


def newest(month: str, day: int, cost: float, **changes: Any) -> Row:
    """A row of FOCUS 1.3 without the columns that it deprecates."""
    made = row(month, day, cost)
    del made["ProviderName"], made["PublisherName"]
    own = {
        "ServiceProviderName": "Acme",
        "HostProviderName": "Google Cloud",
        "AllocatedMethodId": None,
        "ContractApplied": None,
    }
    return made | own | changes
