"""Line items of the sandbox in CUR 2.0 names: one row per day and what was metered or charged."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any

from scripts.sandbox.aws import estate
from scripts.sandbox.aws.estate import Account
from scripts.sandbox.aws.meters import Meter

Line = dict[str, Any]
SELLER: dict[str, Any] = {
    "bill_billing_entity": "AWS Marketplace",
    "line_item_legal_entity": "Example Software, Inc.",
}


@dataclass(frozen=True)
class Month:
    """A billing period, with a random generator of its own that no clock seeds."""

    period: str
    is_final: bool = True
    random: Random = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "random", Random(f"aws {self.period}"))

    @cached_property
    def first(self) -> date:
        """Its first day."""
        return date.fromisoformat(f"{self.period}-01")

    @cached_property
    def days(self) -> list[date]:
        """Its days."""
        length = calendar.monthrange(self.first.year, self.first.month)[1]
        return [self.first + timedelta(days=number) for number in range(length)]

    @cached_property
    def end(self) -> date:
        """The first day of the next month."""
        return self.days[-1] + timedelta(days=1)

    @property
    def growth(self) -> float:
        """The company grows by 3 % a month."""
        return float(1.03 ** (self.first.month - 7))


def midnight(day: date) -> datetime:
    """The start of a day, UTC."""
    return datetime.combine(day, time(), UTC)


def line(
    month: Month,
    account: Account,
    kind: str,
    code: str,
    cost: float,
    *,
    start: date | None = None,
    end: date | None = None,
    description: str = "",
    region: str = "",
    **columns: Any,
) -> Line:
    """One line item. Without `start` it is the month's; with `start` alone it is a day's."""
    begins = start or month.first
    ends = end or (begins + timedelta(days=1) if start else month.end)
    usage_type = columns.get("line_item_usage_type", "")
    sku = _sku(f"{code}{usage_type}{region}") if usage_type else ""
    name = estate.PRODUCTS[code]
    return {
        "identity_time_interval": f"{begins}T00:00:00Z/{ends}T00:00:00Z",
        **_bill(month, kind),
        "line_item_usage_account_id": account.id,
        "line_item_usage_account_name": account.name,
        "line_item_line_item_type": kind,
        "line_item_usage_start_date": midnight(begins),
        "line_item_usage_end_date": midnight(ends),
        "line_item_product_code": code,
        "line_item_usage_type": "",
        "line_item_operation": "",
        "line_item_availability_zone": "",
        "line_item_resource_id": "",
        "line_item_usage_amount": 1.0,
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": money(cost),
        "line_item_blended_cost": money(cost),
        "line_item_line_item_description": description,
        "line_item_tax_type": "",
        "line_item_legal_entity": "Amazon Web Services, Inc.",
        "product_servicecode": code,
        "product_sku": sku,
        "product_region_code": region,
        "pricing_currency": "USD",
        "pricing_rate_code": f"{sku}.JRTCKXETXF.6YS6EN2CT7" if sku else "",
        "pricing_term": "OnDemand" if kind == "Usage" else "",
        "product": {"product_name": name, **({"region": region} if region else {})},
        "discount": {},
        "resource_tags": {},
        "cost_category": {},
        **columns,
    }


def metered(month: Month, day: date, meter: Meter) -> Line:
    """A day of a meter. Busy on weekdays unless it is storage, which only grows."""
    if meter.monthly:
        amount = meter.amount * month.growth / len(month.days)
    elif meter.amount == 24.0:
        amount = 24.0
    else:
        busy = 0.72 if day.weekday() >= 5 else 1.1
        amount = meter.amount * month.growth * busy * month.random.uniform(0.93, 1.07)
    amount = round(amount, 8)
    return line(
        month,
        meter.account,
        "Usage",
        meter.code,
        amount * meter.rate,
        start=day,
        region=meter.region,
        description=f"${meter.rate:.10g} per {meter.unit}",
        resource_tags=dict(meter.tags),
        line_item_usage_type=meter.usage_type,
        line_item_operation=meter.operation,
        line_item_resource_id=meter.resource,
        line_item_usage_amount=amount,
        product_product_family=meter.family,
        **prices(meter.rate, amount, meter.unit),
    )


def prices(rate: float, amount: float, unit: str, paid: float | None = None) -> Line:
    """The public price of an amount, and the rate that is paid (the public one by default)."""
    return {
        "line_item_unblended_rate": f"{rate if paid is None else paid:.10f}",
        "line_item_blended_rate": f"{rate if paid is None else paid:.10f}",
        "pricing_public_on_demand_rate": f"{rate:.10f}",
        "pricing_public_on_demand_cost": money(rate * amount),
        "pricing_unit": unit,
    }


def marketplace(month: Month) -> Iterator[Line]:
    """A subscription bought from a seller: usage by day and a flat fee, no ARN, no discount."""
    code, seller = estate.MARKETPLACE, estate.PRODUCTION
    for day in month.days:
        hosts = 30.0 if day.weekday() < 5 else 24.0
        yield line(
            month,
            seller,
            "Usage",
            code,
            hosts * 0.82,
            start=day,
            description="Example Metrics Platform: hosts",
            line_item_usage_type="USE1-MP:host_days-Units",
            line_item_operation="Hourly",
            line_item_usage_amount=hosts,
            **SELLER,
            **prices(0.82, hosts, "Units"),
        )
    yield line(
        month,
        seller,
        "Fee",
        code,
        650.0,
        description="Example Metrics Platform: monthly subscription",
        line_item_usage_type="MP:SubscriptionFee",
        pricing_unit="Units",
        **SELLER,
    )


def support(month: Month) -> Iterator[Line]:
    """AWS Support, a fee without an ARN in each account."""
    for account, fee in zip(estate.ACCOUNTS, (1_480.0, 100.0, 415.5), strict=True):
        yield line(
            month,
            account,
            "Fee",
            "AWSSupportBusiness",
            fee,
            description="AWS Support (Business)",
            line_item_usage_type="Dollar",
        )


def adjustments(month: Month) -> Iterator[Line]:
    """Credits and refunds of the month, negative as AWS writes them."""
    production, data = estate.PRODUCTION, estate.DATA
    if month.period == "2026-07":
        yield credit(month, "AmazonEC2", -500.0, "AWS Activate promotional credit")
        yield credit(month, "AWSLambda", -12.34, "AWS Activate promotional credit")
    if month.period == "2026-08":
        text = "Refund for duplicate requests"
        yield line(
            month, data, "Refund", "AmazonS3", -37.42, start=date(2026, 8, 14), description=text
        )
    if month.period == "2026-10":
        yield credit(month, "AmazonEC2", -250.0, "AWS Activate promotional credit")
        text = "Refund for overcharged storage"
        yield line(
            month,
            production,
            "Refund",
            "AmazonRDS",
            -61.08,
            start=date(2026, 10, 19),
            description=text,
        )


def credit(month: Month, code: str, amount: float, text: str) -> Line:
    """A credit for production over the whole month."""
    return line(month, estate.PRODUCTION, "Credit", code, amount, description=text)


def money(amount: float) -> float:
    """Ten decimals, as AWS bills."""
    return round(amount, 10)


def _bill(month: Month, kind: str) -> Line:
    return {
        "bill_invoice_id": str(1_500_000_000 + month.first.month) if month.is_final else "",
        "bill_invoicing_entity": "Amazon Web Services, Inc.",
        "bill_billing_entity": "AWS",
        "bill_bill_type": "Refund" if kind == "Refund" else "Anniversary",
        "bill_payer_account_id": estate.PAYER.id,
        "bill_payer_account_name": estate.PAYER.name,
        "bill_billing_period_start_date": midnight(month.first),
        "bill_billing_period_end_date": midnight(month.end),
    }


def _sku(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16].upper()
