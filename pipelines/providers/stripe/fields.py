"""The documented allow-list: of a balance transaction these fields reach raw, and nothing else.

Left out: `description` (free text, names of customers in it), `fee_details[].description` and
`.application`, and whatever Stripe adds. An expanded `source` is kept as its id alone; of
`fee_details` the sums by type.
https://docs.stripe.com/api/balance_transactions/object
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from pipelines.core.partition import PartitionError

Row = dict[str, Any]

SCHEMA = pa.schema(
    [
        ("account", pa.string()),  # ours: the account's name in the configuration
        ("id", pa.string()),
        ("source", pa.string()),
        ("type", pa.string()),
        ("reporting_category", pa.string()),
        ("balance_type", pa.string()),
        ("status", pa.string()),
        ("created", pa.int64()),
        ("available_on", pa.int64()),
        ("currency", pa.string()),
        ("amount", pa.int64()),
        ("fee", pa.int64()),
        ("net", pa.int64()),
        ("exchange_rate", pa.float64()),
        # ours: the sums of fee_details by type, which make up `fee`
        ("fee_stripe", pa.int64()),
        ("fee_application", pa.int64()),
        ("fee_tax", pa.int64()),
    ]
)
"""Raw rows: Stripe's own values, amounts in minor units, times in seconds since 1970 (UTC)."""

_NEEDED = {"id": str, "created": int, "currency": str, "amount": int, "fee": int, "net": int}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "type": str,
    "reporting_category": str,
    "balance_type": str,
    "status": str,
    "available_on": int,
    "exchange_rate": (int, float),
}

_FEES = {"application_fee": "fee_application", "tax": "fee_tax", "withheld_tax": "fee_tax"}


def keep_allowed(found: Mapping[str, Any], account: str) -> Row:
    """The raw row of one balance transaction. Raises PartitionError for another shape."""
    row: Row = {"account": account, "source": _id(found.get("source"))}
    for name, kind in _NEEDED.items():
        value = found.get(name)
        if type(value) is not kind:  # True is not an amount
            raise _wrong(found, name, value)
        row[name] = value
    for name, kinds in _OPTIONAL.items():
        value = found.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise _wrong(found, name, value)
        row[name] = value
    return row | _fees(found)


def _fees(found: Mapping[str, Any]) -> dict[str, int | None]:
    """What of `fee` is Stripe's, an application's and tax on either; NULL without fee_details.

    A fee type that is not known counts as Stripe's: the three sum up to the details.
    """
    details = found.get("fee_details")
    if details is None:
        return dict.fromkeys(("fee_stripe", "fee_application", "fee_tax"))
    if not isinstance(details, list) or not all(isinstance(each, Mapping) for each in details):
        raise _wrong(found, "fee_details", details)
    sums: dict[str, int | None] = {"fee_stripe": 0, "fee_application": 0, "fee_tax": 0}
    for each in details:
        amount = each.get("amount")
        if type(amount) is not int:
            raise _wrong(found, "fee_details.amount", amount)
        name = _FEES.get(str(each.get("type")), "fee_stripe")
        sums[name] = (sums[name] or 0) + amount
    return sums


def table(rows: Iterable[Row]) -> pa.Table:
    """Raw rows as an arrow table with the declared columns."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def _id(source: object) -> str | None:
    if isinstance(source, Mapping):
        source = source.get("id")
    return source if isinstance(source, str) else None


def _wrong(found: Mapping[str, Any], name: str, value: object) -> PartitionError:
    what = "is missing" if value is None else f"is {type(value).__name__}"
    which = found.get("id") if isinstance(found.get("id"), str) else "without an id"
    return PartitionError(
        f"balance transaction {which}: {name} {what}, which Stripe's API never sends. The "
        "published month stays; check whether a proxy answers instead of Stripe, then run again."
    )
