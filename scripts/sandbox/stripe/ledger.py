"""A deterministic ledger of Stripe: the balance transactions of an example company, day by day.

Charges in USD, EUR, JPY, KWD, ISK and UGX, refunds and one that fails, disputes lost and won,
payouts and one that comes back, Stripe's fees, taxes. A day's rows depend on the day alone, so the
same ledger a week later has the same rows, more of them, and pending ones have become available.
Objects are shaped as Stripe's official fixtures: personal data stands where the API has it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

Transaction = dict[str, Any]


class Payout(NamedTuple):
    """A payout, and the ids of the transactions that it pays out."""

    object: dict[str, Any]
    parts: tuple[str, ...]


#: Settlement currency, a typical charge in minor units, how often out of a hundred.
CURRENCIES = (
    ("usd", 4_900, 55),
    ("eur", 4_500, 25),
    ("jpy", 5_000, 8),
    ("kwd", 15_250, 4),
    ("isk", 690_000, 4),
    ("ugx", 18_000_000, 4),
)
PENDING = timedelta(days=2)
_TYPES = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "dispute": "adjustment",
    "dispute_reversal": "adjustment",
    "fee": "stripe_fee",
    "tax": "tax_fee",
    "payout": "payout",
    "payout_reversal": "payout_failure",
    "topup": "topup",
}
_SOURCES = {"charge": "ch", "refund": "re", "dispute": "dp", "payout": "po", "topup": "tu"}


def transactions(first: date, until: datetime, per_day: int = 12) -> list[Transaction]:
    """Every transaction created from `first` to `until`, oldest first, as Stripe has it then."""
    days = (until.date() - first).days + 1
    found = [
        row
        for number in range(days)
        for row in _day(first + timedelta(days=number), per_day)
        if row["created"] < until.timestamp()
    ]
    for row in found:
        row["status"] = "available" if row["available_on"] <= until.timestamp() else "pending"
    return sorted(found, key=lambda row: (row["created"], row["id"]))


def transaction(
    created: datetime, number: int, category: str, amount: int, fee: int = 0, currency: str = "usd"
) -> Transaction:
    """One balance transaction; `amount` and `fee` in minor units."""
    made = int(created.timestamp())
    kind = _TYPES.get(category, category)
    prefix = _SOURCES.get(category.partition("_")[0], "src")
    waits = category in ("charge", "refund")
    name = f"{made:x}{number:05d}"
    details = [{"amount": fee, "application": None, "currency": currency, "type": "stripe_fee",
                "description": "Stripe processing fees"}]  # fmt: skip
    return {
        "id": f"txn_{name}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": made + (int(PENDING.total_seconds()) if waits else 0),
        "balance_type": "payments",
        "created": made,
        "currency": currency,
        "description": f"Jenny Rosen <jenny.rosen.{number}@example.com>",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": f"{prefix}_{name}",
        "status": "pending" if waits else "available",
        "type": kind,
    }


def payouts(first: date, until: datetime, per_day: int = 12) -> dict[str, Payout]:
    """Every payout created from `first` to `until`, by id.

    Monday's automatic payout pays out the charges in USD of its day; that of the 15th is manual and
    comes back.
    """
    found = {}
    for number in range((until.date() - first).days + 1):
        rows = list(_day(first + timedelta(days=number), per_day))
        charges = [r for r in rows if (r["reporting_category"], r["currency"]) == ("charge", "usd")]
        failed = {-row["amount"] for row in rows if row["reporting_category"] == "payout_reversal"}
        for row in (row for row in rows if row["reporting_category"] == "payout"):
            is_automatic = -row["amount"] == sum(each["net"] for each in charges)
            if row["created"] < until.timestamp():
                status = "failed" if row["amount"] in failed else "paid"
                parts = [row, *charges] if is_automatic else []
                made = payout(row, [each["id"] for each in parts], status, is_automatic)
                found[row["source"]] = made
    return found


def payout(
    own: Transaction, parts: Sequence[str], status: str = "paid", is_automatic: bool = True
) -> Payout:
    """A payout by its own transaction, and the ids of those that Stripe lists of it."""
    return Payout(
        {
            "id": own["source"],
            "object": "payout",
            "amount": -own["amount"],
            "arrival_date": own["created"] // 86_400 * 86_400 + 2 * 86_400,
            "automatic": is_automatic,
            "balance_transaction": own["id"],
            "created": own["created"],
            "currency": own["currency"],
            "description": "Jenny Rosen's payout",
            "destination": "ba_1",
            "method": "standard",
            "reconciliation_status": "completed" if is_automatic else "not_applicable",
            "source_type": "card",
            "status": status,
            "type": "bank_account",
        },
        tuple(parts),
    )


def _day(day: date, per_day: int) -> Iterator[Transaction]:
    chance = random.Random(f"stripe {day}")
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    numbers = iter(range(10_000))

    def at() -> datetime:
        return midnight + timedelta(seconds=chance.randrange(86_400))

    def make(category: str, amount: int, fee: int = 0, currency: str = "usd") -> Transaction:
        return transaction(at(), next(numbers), category, amount, fee, currency)

    weights = [weight for *_, weight in CURRENCIES]
    earned = 0
    for _ in range(per_day):
        currency, typical, _ = chance.choices(CURRENCIES, weights)[0]
        amount = typical * chance.randrange(1, 6)
        fee = amount * 29 // 1000 + (30 if currency in ("usd", "eur") else 0)
        earned += amount - fee if currency == "usd" else 0
        yield make("charge", amount, fee, currency)
        if chance.random() < 0.05:
            yield make("refund", -amount, 0, currency)
    yield from _events(day, make, earned)


def _events(day: date, make: Any, earned: int) -> Iterator[Transaction]:
    """What comes once a week or once a month."""
    if day.weekday() == 0:
        yield make("payout", -max(earned, 100))
    if day.day == 1:
        yield make("fee", -2_500, 0)
        yield make("tax", -475, 0)
    if day.day == 7:
        yield make("dispute", -9_900, 1_500)
    if day.day == 20 and day.month % 2 == 0:  # every second one is won
        yield make("dispute_reversal", 9_900, -1_500)
    if day.day == 11:
        yield make("refund", -4_900)
        yield make("refund_failure", 4_900)
    if day.day == 15:
        yield make("payout", -10_000)
        yield make("payout_reversal", 10_000)
    if day.day == 22:
        yield make("topup", 20_000)
