"""The balance transactions of each automatic payout: what is in a deposit at the bank.

Stripe lists them (`payout=po_…`) once a payout's reconciliation is completed, and only of automatic
payouts: which transactions another one pays out, nobody says. A partition is the payouts that an
account made in a month (UTC); it is read again when one of them is new or has another state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.digests import hex_digest
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything, write_rows
from pipelines.core.partition import ALL, Delivery, Partition, Selection, now
from pipelines.providers.stripe.api import LEDGER, Api
from pipelines.providers.stripe.fields import SCHEMA, keep_allowed
from pipelines.providers.stripe.objects import Listing, Row, named_apis

__all__ = ["CHECKED", "Payouts", "connect", "source"]

_OF_LEDGER = ("id", "source", "type", "reporting_category", "created", "currency", "amount",
              "fee", "net")  # fmt: skip
CHECKED = pa.schema(
    [
        ("account", pa.string()),
        ("payout", pa.string()),
        *((name, SCHEMA.field(name).type) for name in _OF_LEDGER),
    ]
)
_STATE = ("id", "amount", "currency", "status", "automatic", "reconciliation_status")


class Payouts:
    """The payouts of the configured accounts, by account and month."""

    def __init__(self, apis: Mapping[str, Api]) -> None:
        self.apis = apis

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every month with a payout, oldest first; a request per account and 100 payouts."""
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for api in self.apis.values():
            for row in Listing("payouts").rows(api):
                made = datetime.fromtimestamp(row["created"], UTC)
                found[months.month_of(made), api.account].append(row)
        at = now()
        return [
            Partition(f"{month}.{account}", _fingerprint(own), at, 1, 0, (account, own))
            for (month, account), own in sorted(found.items())
            if f"{month}.{account}" in selection
        ]


def connect() -> Payouts:
    """The configured accounts, ready to plan their payouts."""
    return Payouts(named_apis())


@dlt.source(name="stripe_payout_transactions", section="stripe", max_table_nesting=0)
def source(plan: Plan[Payouts] | None = None) -> DltResource:
    """The transactions of every automatic payout."""
    made: DltResource = payout_transactions(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="payout_transactions", **HINTS)
def payout_transactions(plan: Plan[Payouts]) -> Iterator[Any]:
    """One row per payout and transaction."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "payout_month")


def _land(provider: Payouts, landing: Landing) -> Delivery:
    partition = landing.partition
    account, payouts = partition.detail
    tables = (_transactions(provider.apis[account], each["id"]) for each in _listed(payouts))
    path = landing.folder / "rows.parquet"
    write_rows(path, CHECKED, tables, landing.advance)
    return delivered(
        "stripe_payout_transactions",
        partition.key,
        partition.fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        layout="payout transactions",
    )


def _listed(payouts: list[Row]) -> Iterator[Row]:
    """Those whose transactions Stripe lists."""
    for each in payouts:
        if each["automatic"] and each["reconciliation_status"] in ("completed", None):
            yield each


def _transactions(api: Api, payout: str) -> pa.Table:
    """The rows of one payout, each once, by id."""
    found: dict[str, Row] = {}
    for each in api.rows(LEDGER, payout=payout):
        row = keep_allowed(each, api.account)
        own = {"account": api.account, "payout": payout}
        found[row["id"]] = own | {name: row[name] for name in _OF_LEDGER}
    return pa.Table.from_pylist([found[key] for key in sorted(found)], CHECKED)


def _fingerprint(payouts: list[Row]) -> str:
    """Of the payouts' states: what is in one that is completed does not change."""
    return hex_digest(
        f"{[each[name] for name in _STATE]}\n"
        for each in sorted(payouts, key=lambda row: str(row["id"]))
    )
