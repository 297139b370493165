"""Stripe's own balance, one row per account and currency of a day's last look: for the check.

The balance is that after the newest transaction, asked for before and after it: only where both
answers are the same is it known which ledger it belongs to. Needs the right to read the balance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.landing import HINTS, Plan, everything
from pipelines.core.partition import ALL, Partition, PartitionError, Selection, now
from pipelines.providers.stripe.api import LEDGER, Api
from pipelines.providers.stripe.months import first_month
from pipelines.providers.stripe.objects import Row, land
from pipelines.providers.stripe.settings import configuration

__all__ = ["CHECKED", "Balances", "connect", "source"]

CHECKED = pa.schema(
    [
        ("account", pa.string()),
        ("currency", pa.string()),
        ("available", pa.int64()),
        ("pending", pa.int64()),
        ("as_of", pa.timestamp("us", "UTC")),
        ("as_of_second", pa.int64()),
        ("as_of_month", pa.string()),
        ("first_month", pa.string()),
    ]
)
_TRIES = 5


class Balances:
    """The balances of the configured accounts, now."""

    def __init__(self, apis: list[Api]) -> None:
        self.apis = apis

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Today, whatever is selected. What is published says in which month the ledger begins."""
        last = max(published, default=None)
        begins = published[last].partition("-")[0] if last else ""
        today = now()
        return [Partition(f"{today:%Y-%m-%d}", "", today, 1, 0, begins)]

    def first_month(self, known: str) -> str | None:
        """The month of the oldest transaction of all accounts; a request each when it is known."""
        last = months.month_of(now())
        known_months = [f"{known[:4]}-{known[4:]}"] if len(known) == 6 else []
        firsts = [first_month(api.has_transaction_before, last, known_months) for api in self.apis]
        return min((found for found in firsts if found), default=None)


def connect() -> Balances:
    """The configured accounts, ready to plan a balance of today."""
    return Balances(configuration().apis())


@dlt.source(name="stripe_balances", section="stripe", max_table_nesting=0)
def source(plan: Plan[Balances] | None = None) -> DltResource:
    """Today's balance of each account and currency."""
    made: DltResource = balances(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="balances", **HINTS)
def balances(plan: Plan[Balances]) -> Iterator[Any]:
    """One row per account and currency. Raises Unchanged when they are what is published."""
    for landing in plan.landings:
        provider = plan.provider
        first = provider.first_month(landing.partition.detail)
        rows = [row | {"first_month": first} for api in provider.apis for row in _rows(api)]
        state = f"{(first or '').replace('-', '')}-"
        yield from landing.data(land("stripe_balances", CHECKED, rows, landing, state), "read_date")


def _rows(api: Api) -> Iterator[Row]:
    newest, balance = _at_rest(api)
    at = None if newest is None else datetime.fromtimestamp(newest, UTC)
    when = {
        "as_of": at,
        "as_of_second": newest,
        "as_of_month": None if at is None else months.month_of(at),
    }
    parts = {kind: _by_currency(api, balance, kind) for kind in ("available", "pending")}
    for currency in sorted({*parts["available"], *parts["pending"]}):
        amounts = {kind: parts[kind].get(currency, 0) for kind in parts}
        yield {"account": api.account, "currency": currency, **amounts, **when}


def _at_rest(api: Api) -> tuple[int | None, Mapping[str, Any]]:
    """When the newest transaction was made, and the balance after it; None while they come fast."""
    for _ in range(_TRIES):
        before, balance, after = _newest(api), api.get("/v1/balance"), _newest(api)
        if before == after:
            return (before[1] if before else None), balance
    return None, balance


def _newest(api: Api) -> tuple[str, int] | None:
    data = api.get(LEDGER, limit=1).get("data")
    if not data:
        return None
    try:
        return str(data[0]["id"]), int(data[0]["created"])
    except (KeyError, TypeError, ValueError):
        raise _not_stripe(api, "the newest transaction") from None


def _by_currency(api: Api, balance: Mapping[str, Any], kind: str) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        for each in balance[kind]:
            found[str(each["currency"])] = found.get(each["currency"], 0) + int(each["amount"])
    except (KeyError, TypeError, ValueError):
        raise _not_stripe(api, kind) from None
    return found


def _not_stripe(api: Api, what: str) -> PartitionError:
    return PartitionError(
        f"stripe {api.account}: {what} is not as Stripe's API sends it. The published balance "
        "stays; check whether a proxy answers instead of Stripe, then run again."
    )
