"""Rows of the billing export: metered usage with prices, credits and the run that exported it.

Money is whole micros of the billing currency until it is written as FLOAT64, so that sums in
micros are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from scripts.sandbox.gcp import estate
from scripts.sandbox.gcp.estate import Account
from scripts.sandbox.gcp.meters import Meter, service

Line = dict[str, Any]
PACIFIC = ZoneInfo("America/Los_Angeles")
#: Exports run at these times, UTC.
RUNS = (time(5, 15, 20, 117_000), time(9, 12, 33, 4_210), time(14, 40, 7, 901_000), time(21, 5, 51))
#: The flexible commitment's consumption model; the other one is everybody's.
FLEXIBLE = {"id": "9A7C-41D2-88E0", "description": "Compute Flexible CUDs - 1 Year"}
DEFAULT = {"id": "7754-699E-0EBF", "description": "Default"}
#: A price of one tier.
_FLAT: Line = {"tier_start_amount": Decimal(0), "pricing_unit_quantity": Decimal(1)}
_COUNTRIES = {"us": "US", "eu": "CH"}


@dataclass(frozen=True)
class Moment:
    """When a line was used, and which run exported it."""

    start: datetime
    end: datetime
    exported: datetime

    @property
    def day(self) -> date:
        """The Pacific day of usage."""
        return self.start.astimezone(PACIFIC).date()


def pacific(day: date, hour: int = 0) -> datetime:
    """An hour of a Pacific day, in UTC."""
    return datetime.combine(day, time(hour), PACIFIC).astimezone(UTC)


def next_run(after: datetime) -> datetime:
    """The first export run after a moment."""
    for days in (0, 1):
        for run in RUNS:
            moment = datetime.combine(after.date() + timedelta(days=days), run, UTC)
            if moment > after:
                return moment
    raise AssertionError("a day has runs")


def chance(*key: object) -> float:
    """A number in [0, 1) that depends on the key alone."""
    return int.from_bytes(sha256(repr(key).encode()).digest()[:6]) / 2.0**48


def micros(amount: Decimal | float) -> int:
    """An amount as whole millionths, so that sums are exact."""
    return int((Decimal(amount) * 1_000_000).to_integral_value())


def money(amount: int) -> float:
    """Micros as the export's FLOAT64."""
    return amount / 1_000_000


def month_of(day: date) -> str:
    """The invoice month of a day as Google writes it, `202610`."""
    return day.strftime("%Y%m")


def credit(name: str, kind: str, amount: int, *, full_name: str = "", id: str = "") -> Line:  # noqa: A002 (Google's word)
    """A credit of so many micros, which are negative."""
    made = {"name": name, "amount": money(amount), "full_name": full_name}
    return made | {"id": id or name, "type": kind}


def line(account: Account, moment: Moment, service_name: str, sku: str, cost: int) -> Line:
    """A row with nothing but what every row has; the invoice is that of its Pacific day."""
    month = month_of(moment.day)
    return {
        "billing_account_id": account.id,
        "service": service(service_name),
        "sku": {"id": _sku(service_name, sku), "description": sku},
        "usage_start_time": moment.start,
        "usage_end_time": moment.end,
        "labels": [],
        "system_labels": [],
        "tags": [],
        "export_time": moment.exported,
        "cost": money(cost),
        "currency": account.currency,
        "currency_conversion_rate": account.rates[month],
        "usage": {"amount": 0.0, "unit": "requests"},
        "credits": [],
        "invoice": {"month": month, "publisher_type": "GOOGLE"},
        "cost_type": "regular",
        "transaction_type": "GOOGLE",
    }


def usage(meter: Meter, moment: Moment, share: float) -> Line:
    """A metered row, `share` being its part of the meter's day."""
    account = meter.project.account
    swing = 0.9 + 0.2 * Random(f"{meter.key} {moment.start.isoformat()}").random()
    amount = round(meter.quantity * share * swing, 6)
    prices = _prices(meter, Decimal(str(account.rates[month_of(moment.day)])))
    costs = {name: micros(Decimal(str(amount)) * price) for name, price in prices.items()}
    cost = costs["effective_price"]
    made = line(account, moment, meter.service, meter.sku, cost)
    return made | {
        "project": meter.project.record,
        "labels": estate.pairs(meter.labels),
        "system_labels": estate.pairs(meter.system_labels),
        "tags": meter.tags,
        "location": _location(meter.location),
        "resource": _resource(meter),
        "price": prices | _FLAT | {"unit": meter.pricing_unit},
        "usage": {
            "amount": round(amount * meter.scale, 6),
            "unit": meter.unit,
            "amount_in_pricing_units": amount,
            "pricing_unit": meter.pricing_unit,
        },
        "cost_at_list": money(costs["list_price"]),
        "cost_at_effective_price_default": _numeric(costs["effective_price_default"]),
        "cost_at_list_consumption_model": _numeric(costs["list_price_consumption_model"]),
        "consumption_model": DEFAULT if meter.model == 1 else FLEXIBLE,
        "credits": _credits(meter, cost, moment.day),
    }


def _prices(meter: Meter, rate: Decimal) -> dict[str, Decimal]:
    """Prices in the billing currency: at list and as agreed, by both consumption models."""
    listed = meter.price * rate
    agreed = listed * meter.project.account.contract
    made = {
        "list_price": listed,
        "effective_price_default": agreed,
        "list_price_consumption_model": listed * meter.model,
        "effective_price": agreed * meter.model,
    }
    return {name: price.quantize(Decimal("1e-9")) for name, price in made.items()}


def _credits(meter: Meter, cost: int, day: date) -> list[Line]:
    """What a meter's rule takes off its cost."""
    made = []
    if meter.credit == "commitment" and "Core" in meter.sku:
        made.append(credit("Committed Usage Discount: CPU", "COMMITTED_USAGE_DISCOUNT", -cost))
    elif meter.credit == "commitment":
        made.append(credit("Committed Usage Discount: RAM", "COMMITTED_USAGE_DISCOUNT", -cost))
    elif meter.credit == "sustained":
        name = "Sustained Usage Discount"
        made.append(credit(name, "SUSTAINED_USAGE_DISCOUNT", -(cost * 20 // 100)))
    elif meter.credit == "free":
        name = "Free tier usage: Cloud Run"
        made.append(credit(name, "FREE_TIER", -min(cost, 20_000), id="12-b34-c56-d78"))
    elif meter.credit == "spend":
        full = "Spend-based committed use discount: Cloud SQL"
        kind = "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE"
        made.append(credit("Cloud SQL CUD", kind, -(cost * 25 // 100), full_name=full))
    is_july = day.month == 7
    if meter.credit == "promotion" or (is_july and meter.resource == "web-3"):
        rest = cost + sum(micros(each["amount"]) for each in made)
        full = "Google Cloud startup program"
        taken = rest if day.month < 9 else rest // 2
        made.append(credit("Startup credit", "PROMOTION", -taken, full_name=full, id="98-a76-b54"))
    return made


def _numeric(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-6)


def _location(place: str) -> Line:
    zoned = place.count("-") == 2
    region = place.rpartition("-")[0] if zoned else place if "-" in place else None
    country = _COUNTRIES[place[:2]] if region else None
    return {"location": place, "country": country, "region": region, "zone": place * zoned or None}


def _resource(meter: Meter) -> Line | None:
    if not meter.resource:
        return None
    kind = "" if meter.service == "Compute Engine" else meter.service.replace(" ", "").lower()
    path = f"//{kind or 'compute'}.googleapis.com/projects/{meter.project.id}/{meter.resource}"
    return {"name": meter.resource, "global_name": path}


def _sku(service_name: str, sku: str) -> str:
    digest = sha256(f"{service_name} {sku}".encode()).hexdigest().upper()
    return "-".join((digest[:4], digest[4:8], digest[8:12]))
