"""What an AWS line must become, row by row in Decimal: slow, plain, sharing no code with pipelines.

Written from the billing rules, so that a mistake in the fast normaliser has to be made twice to
stay hidden. Its small tables of services and regions hold what tests use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

SERVICES = {
    "AmazonEC2": "Compute",
    "AmazonS3": "Storage",
    "AmazonRDS": "Databases",
    "awskms": "Security",
    "ComputeSavingsPlans": "Compute",
}
REGIONS = {"us-east-1": "US East (N. Virginia)", "eu-central-1": "Europe (Frankfurt)"}
DISCOUNTS = (
    "Discount",
    "EdpDiscount",
    "PrivateRateDiscount",
    "BundledDiscount",
    "RiVolumeDiscount",
    "SppDiscount",
    "DistributorDiscount",
)
CATEGORIES = {
    "Usage": "Usage",
    "DiscountedUsage": "Usage",
    "SavingsPlanCoveredUsage": "Usage",
    "SavingsPlanNegation": "Usage",
    **dict.fromkeys(DISCOUNTS, "Usage"),
    "Fee": "Purchase",
    "FlatRateSubscription": "Purchase",
    "RIFee": "Purchase",
    "SavingsPlanRecurringFee": "Purchase",
    "SavingsPlanUpfrontFee": "Purchase",
    "Credit": "Credit",
    "Refund": "Adjustment",
    "Tax": "Tax",
}


def normalize_rows(rows: Sequence[Row], tag_columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Normalised rows without what the caller gives: partition, fingerprint and load id."""
    split = ("EKSPod-EC2", "ECSTask-EC2")
    kept = [row for row in rows if row.get("line_item_operation") not in split]
    return [normalize_row(row, tag_columns) for row in kept]


def normalize_row(row: Row, tag_columns: Sequence[str] = ()) -> dict[str, Any]:
    kind = text(row, "line_item_line_item_type")
    code = text(row, "line_item_product_code")
    region = text(row, "product_region_code") or text(row, "product_region")
    plan = text(row, "savings_plan_savings_plan_a_r_n")
    reservation = text(row, "reservation_reservation_a_r_n")
    currency = text(row, "line_item_currency_code")
    start = row.get("line_item_usage_start_date")
    tags = clean_tags([*(row.get("resource_tags") or []), *tags_of_resources(row)])
    net = net_or_gross(row, "line_item_net_unblended_cost", "line_item_unblended_cost")
    effective, list_cost, contracted = costs(row, kind, net)
    return {
        "provider_name": "AWS",
        "publisher_name": text(row, "line_item_legal_entity"),
        "invoice_issuer_name": text(row, "bill_invoicing_entity"),
        "invoice_id": text(row, "bill_invoice_id"),
        "billing_account_id": text(row, "bill_payer_account_id"),
        "billing_account_name": text(row, "bill_payer_account_name"),
        "sub_account_id": text(row, "line_item_usage_account_id"),
        "sub_account_name": text(row, "line_item_usage_account_name"),
        "billing_period_start": row.get("bill_billing_period_start_date"),
        "billing_period_end": row.get("bill_billing_period_end_date"),
        "charge_period_start": start,
        "charge_period_end": row.get("line_item_usage_end_date"),
        "charge_category": CATEGORIES.get(kind or "", "unclassified"),
        "charge_class": None,
        "charge_description": text(row, "line_item_line_item_description"),
        "charge_frequency": frequency(kind),
        "service_category": SERVICES.get(code or "", "Other"),
        "service_name": product_name(row) or text(row, "product_product_name") or code,
        "sku_id": text(row, "product_sku"),
        "sku_price_id": text(row, "pricing_rate_code"),
        "region_id": region,
        "region_name": REGIONS.get(region or ""),
        "availability_zone": text(row, "line_item_availability_zone"),
        "resource_id": text(row, "line_item_resource_id"),
        "resource_name": tag(tags, "Name"),
        "resource_type": text(row, "product_product_family"),
        "consumed_quantity": number(row, "line_item_usage_amount"),
        "consumed_unit": text(row, "pricing_unit"),
        "pricing_quantity": number(row, "line_item_usage_amount"),
        "pricing_unit": text(row, "pricing_unit"),
        "pricing_category": pricing_category(row, kind),
        "billed_cost": net,
        "effective_cost": effective,
        "list_cost": list_cost,
        "contracted_cost": contracted,
        "billing_currency": currency,
        "commitment_discount_id": plan or reservation,
        "commitment_discount_type": "Savings Plan" if plan else reservation and "Reserved Instance",
        "commitment_discount_category": "Spend" if plan else reservation and "Usage",
        "commitment_discount_status": status(kind),
        "tags": tags,
        **{f"tag_{key.lower().replace(' ', '_')}": tag(tags, key) for key in tag_columns},
        "x_cost_categories": categories(row),
        "x_account_tags": [
            (key[11:], value) for key, value in row.get("tags") or [] if key[:11] == "accountTag/"
        ],
        "x_billing_entity": text(row, "bill_billing_entity"),
        "x_commitment_family": family(row, kind),
        "x_commitment_end": end_of(row, plan, reservation),
        "x_usage_date": start and start.astimezone(UTC).date(),
        "x_source": "aws",
        "x_line_item_type": kind,
        "x_credit_amount": net if kind in ("Credit", "Refund") else Decimal(0),
        "x_credits": [],
        "x_currency_rate_usd": Decimal(1) if currency == "USD" else None,
        "x_billed_cost_usd": net if currency == "USD" else None,
        "x_effective_cost_usd": effective if currency == "USD" else None,
    }


def costs(
    row: Row, kind: str | None, net: Decimal | None
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """effective, list and contracted."""
    zero = Decimal(0)
    public = number(row, "pricing_public_on_demand_cost")
    gross = number(row, "line_item_unblended_cost")
    gross = net if gross is None else gross
    public_or_gross = gross if public is None else public
    if kind in ("Usage", "FlatRateSubscription"):
        return net, public_or_gross, net
    if kind in DISCOUNTS:
        return net, zero, net
    if kind == "DiscountedUsage":
        reserved = net_or_gross(row, "reservation_net_effective_cost", "reservation_effective_cost")
        return reserved, public, public
    if kind == "RIFee":
        return unused_reservation(row), zero, zero
    if kind == "SavingsPlanCoveredUsage":
        covered = net_or_gross(
            row,
            "savings_plan_net_savings_plan_effective_cost",
            "savings_plan_savings_plan_effective_cost",
        )
        return covered, public_or_gross, net
    if kind == "SavingsPlanNegation":
        return zero, zero, zero
    if kind == "SavingsPlanRecurringFee":
        return unused_plan(row), gross, net
    if kind not in CATEGORIES:
        return None, None, None
    list_cost = gross if kind in ("Fee", "SavingsPlanUpfrontFee") else net
    return (zero if is_paid_ahead(row, kind) else net), list_cost, net


def is_paid_ahead(row: Row, kind: str | None) -> bool:
    """Whether other lines spread this purchase, or its refund, over the usage it covers."""
    if kind == "Fee":
        return text(row, "reservation_reservation_a_r_n") is not None
    if kind == "Refund":
        return is_return_of_a_purchase(row)
    return kind == "SavingsPlanUpfrontFee"


def is_return_of_a_purchase(row: Row) -> bool:
    words = (text(row, "line_item_line_item_description") or "").lower()
    code = (text(row, "line_item_product_code") or "").lower()
    others = ("discount", "edp", "spp", "ppa", "private pric", "usage", "recurring", "hourly",
              "monthly")  # fmt: skip
    if any(other in words for other in others):
        return False
    if text(row, "reservation_reservation_a_r_n"):
        return True
    commitments = ("savings plan", "savingsplan", "reserv")
    ahead = ("one-time", "one time", "onetime", "upfront fee", "upfront payment", "up-front fee",
             "up-front payment", "all upfront", "all up-front", "purchase")  # fmt: skip
    is_commitment = text(row, "savings_plan_savings_plan_a_r_n") is not None or any(
        name in words or name in code for name in commitments
    )
    return is_commitment and any(name in words for name in ahead)


def unused_reservation(row: Row) -> Decimal | None:
    upfront = net_or_gross(
        row,
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
    )
    recurring = net_or_gross(
        row, "reservation_net_unused_recurring_fee", "reservation_unused_recurring_fee"
    )
    if upfront is None and recurring is None:
        return None
    return (upfront or Decimal(0)) + (recurring or Decimal(0))


def unused_plan(row: Row) -> Decimal | None:
    total = number(row, "savings_plan_total_commitment_to_date")
    used = number(row, "savings_plan_used_commitment")
    if total is None or used is None:
        return None
    upfront = "amortized_upfront_commitment_for_billing_period"
    recurring = "recurring_commitment_for_billing_period"
    parts = [(f"savings_plan_net_{part}", f"savings_plan_{part}") for part in (upfront, recurring)]
    fee = sum((number(row, gross) or Decimal(0) for _, gross in parts), Decimal(0))
    net = sum((net_or_gross(row, *names) or Decimal(0) for names in parts), Decimal(0))
    has_net = any(number(row, name) is not None for name, _ in parts)
    if fee > 0 and has_net and 0 <= net <= fee:
        return (total - used) * net / fee
    billed, gross = (number(row, f"line_item_{n}unblended_cost") for n in ("net_", ""))
    if billed is not None and gross is not None and gross > 0 and 0 <= billed <= gross:
        return (total - used) * billed / gross
    return total - used


def family(row: Row, kind: str | None) -> str | None:
    """By the few usage types that tests use."""
    if kind not in ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"):
        return None
    usage_type = text(row, "line_item_usage_type") or ""
    is_instance = "BoxUsage:" in usage_type and text(row, "line_item_product_code") == "AmazonEC2"
    return "Compute" if is_instance else "none"


def end_of(row: Row, plan: str | None, reservation: str | None) -> datetime | None:
    """As strptime understands it; AWS means UTC."""
    said = text(row, "savings_plan_end_time" if plan else "reservation_end_time")
    if said is None or not (plan or reservation) or not "1970" <= said[:4] < "2100":
        return None
    bare = said.removesuffix("Z").removesuffix("+00:00").removesuffix("+0000").replace("T", " ")
    for pattern in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        if len(bare) in (10, 19) or "." in pattern:
            with suppress(ValueError):
                return datetime.strptime(bare, pattern).replace(tzinfo=UTC)
    return None


def frequency(kind: str | None) -> str | None:
    if kind not in CATEGORIES:
        return None
    if kind in ("RIFee", "SavingsPlanRecurringFee", "FlatRateSubscription"):
        return "Recurring"
    once = ("Fee", "Tax", "Credit", "Refund", "SavingsPlanUpfrontFee")
    return "One-Time" if kind in once else "Usage-Based"


def pricing_category(row: Row, kind: str | None) -> str | None:
    if kind in ("DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"):
        return "Committed"
    if kind != "Usage":
        return None
    return "Dynamic" if "SpotUsage" in (text(row, "line_item_usage_type") or "") else "Standard"


def status(kind: str | None) -> str | None:
    if kind in ("DiscountedUsage", "SavingsPlanCoveredUsage"):
        return "Used"
    return "Unused" if kind in ("RIFee", "SavingsPlanRecurringFee") else None


def tags_of_resources(row: Row) -> list[tuple[str, str]]:
    """What CUR 2.0's column `tags` says of the resource, and what no rule speaks of."""
    others = ("accountTag/", "costCategory/")
    return [
        (key[13:] if key.startswith("resourceTags/") else key, value)
        for key, value in row.get("tags") or []
        if not key.startswith(others)
    ]


def categories(row: Row) -> list[tuple[str, str]]:
    found = dict(row.get("cost_category") or [])
    for key, value in row.get("tags") or []:
        if key.startswith("costCategory/"):
            found.setdefault(key[13:], value)
    return list(found.items())


def clean_tags(raw: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """A line without a map has an empty one."""
    pairs = raw or ()
    best: dict[str, tuple[bool, int]] = {}
    for at, (key, _) in enumerate(pairs):
        name, prefixed = strip(key)
        rank = (not prefixed, at)
        if name not in best or rank < best[name]:
            best[name] = rank
    winners = {at for _, at in best.values()}
    return [(strip(key)[0], value) for at, (key, value) in enumerate(pairs) if at in winners]


def strip(key: str) -> tuple[str, bool]:
    return (key[5:], True) if key.startswith(("user:", "user_")) else (key, False)


def tag(tags: Sequence[tuple[str, str]], key: str) -> str | None:
    exact = [value for name, value in tags if name == key]
    other = [value for name, value in tags if name.lower() == key.lower()]
    return next(iter(exact or other), None) or None


def product_name(row: Row) -> str | None:
    names = [value for key, value in row.get("product") or [] if key == "product_name"]
    return next(iter(names), None) or None


def text(row: Row, name: str) -> str | None:
    return row.get(name) or None


def number(row: Row, name: str) -> Decimal | None:
    value = row.get(name)
    return None if value is None else Decimal(str(value))


def net_or_gross(row: Row, net: str, gross: str) -> Decimal | None:
    value = number(row, net)
    return number(row, gross) if value is None else value


def is_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Equal names and values; numbers within 1e-9."""
    return found.keys() == wanted.keys() and all(
        same_value(found[name], wanted[name]) for name in wanted
    )


def same_value(found: object, wanted: object) -> bool:
    if isinstance(wanted, Decimal | float) and isinstance(found, float):
        exact = Decimal(str(wanted))
        return abs(Decimal(repr(found)) - exact) <= Decimal("1e-9") * max(Decimal(1), abs(exact))
    return found == wanted
