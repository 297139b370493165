"""Lists that explain the ledger, by configuration: products, prices, invoices, payouts and so on.

One row per object, a partition per account; an object may change at any time and carries no trace
of it, so a list is read whole in every run and published again when its content changed. Of an
object the fields of FIELDS reach raw and nothing else: no name, address or e-mail of a customer,
no description, no metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource, DltSource

from pipelines.core.digests import hex_digest
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything, write_rows
from pipelines.core.partition import (
    ALL,
    ConfigurationError,
    Delivery,
    Partition,
    PartitionError,
    Selection,
    Unchanged,
    now,
)
from pipelines.providers.stripe.api import Api
from pipelines.providers.stripe.settings import configuration

Row = dict[str, Any]
TEXT, WHOLE, FLAG = pa.string(), pa.int64(), pa.bool_()

FIELDS: Mapping[str, Mapping[str, tuple[str, pa.DataType]]] = {
    "products": {
        "active": ("active", FLAG),
        "name": ("name", TEXT),  # the merchant's own word for what is sold
        "type": ("type", TEXT),
        "default_price": ("default_price", TEXT),
        "tax_code": ("tax_code", TEXT),
        "unit_label": ("unit_label", TEXT),
        "updated": ("updated", WHOLE),
    },
    "prices": {
        "active": ("active", FLAG),
        "product": ("product", TEXT),
        "currency": ("currency", TEXT),
        "unit_amount": ("unit_amount", WHOLE),
        "unit_amount_decimal": ("unit_amount_decimal", TEXT),
        "type": ("type", TEXT),
        "billing_scheme": ("billing_scheme", TEXT),
        "tax_behavior": ("tax_behavior", TEXT),
        "interval": ("recurring.interval", TEXT),
        "interval_count": ("recurring.interval_count", WHOLE),
        "usage_type": ("recurring.usage_type", TEXT),
    },
    "subscriptions": {
        "status": ("status", TEXT),
        "currency": ("currency", TEXT),
        "collection_method": ("collection_method", TEXT),
        "start_date": ("start_date", WHOLE),
        "trial_start": ("trial_start", WHOLE),
        "trial_end": ("trial_end", WHOLE),
        "billing_cycle_anchor": ("billing_cycle_anchor", WHOLE),
        "cancel_at_period_end": ("cancel_at_period_end", FLAG),
        "cancel_at": ("cancel_at", WHOLE),
        "canceled_at": ("canceled_at", WHOLE),
        "ended_at": ("ended_at", WHOLE),
        "latest_invoice": ("latest_invoice", TEXT),
        "prices": ("items.data[].price", TEXT),  # ids and quantities, as JSON
        "quantities": ("items.data[].quantity", TEXT),
    },
    "invoices": {
        "status": ("status", TEXT),
        "currency": ("currency", TEXT),
        "billing_reason": ("billing_reason", TEXT),
        "collection_method": ("collection_method", TEXT),
        "subscription": ("parent.subscription_details.subscription", TEXT),
        "amount_due": ("amount_due", WHOLE),
        "amount_paid": ("amount_paid", WHOLE),
        "amount_remaining": ("amount_remaining", WHOLE),
        "subtotal": ("subtotal", WHOLE),
        "total": ("total", WHOLE),
        "attempt_count": ("attempt_count", WHOLE),
        "period_start": ("period_start", WHOLE),
        "period_end": ("period_end", WHOLE),
        "due_date": ("due_date", WHOLE),
        "effective_at": ("effective_at", WHOLE),
    },
    "payouts": {
        "status": ("status", TEXT),
        "currency": ("currency", TEXT),
        "amount": ("amount", WHOLE),
        "arrival_date": ("arrival_date", WHOLE),
        "automatic": ("automatic", FLAG),
        "reconciliation_status": ("reconciliation_status", TEXT),
        "method": ("method", TEXT),
        "type": ("type", TEXT),
        "source_type": ("source_type", TEXT),
        "balance_transaction": ("balance_transaction", TEXT),
        "failure_balance_transaction": ("failure_balance_transaction", TEXT),
        "failure_code": ("failure_code", TEXT),
        "original_payout": ("original_payout", TEXT),
        "reversed_by": ("reversed_by", TEXT),
    },
}
"""Per list: our column, its path in Stripe's object, its type. `id`, `created` and `account` come
first. Amounts are in minor units, times in seconds since 1970."""

_FILTERS = {"subscriptions": {"status": "all"}}  # else Stripe leaves out those that have ended
_TYPES: Mapping[pa.DataType, type] = {TEXT: str, WHOLE: int, FLAG: bool}


@dataclass(frozen=True)
class Listing:
    """One of Stripe's lists, such as products: its allowed fields and how they are read."""

    name: str

    @property
    def schema(self) -> pa.Schema:
        """The columns of its raw table."""
        columns = [(name, kind) for name, (_, kind) in FIELDS[self.name].items()]
        return pa.schema([("account", TEXT), ("id", TEXT), ("created", WHOLE), *columns])

    def keep_allowed(self, found: Mapping[str, Any], account: str) -> Row:
        """The raw row of one object. Raises PartitionError for another shape."""
        row: Row = {"account": account}
        if found.get("object") != self.name[:-1]:  # a customer has a `name`, too
            raise _wrong(self.name, found, f"it is not of the kind {self.name[:-1]}")
        paths = {"id": ("id", TEXT), "created": ("created", WHOLE), **FIELDS[self.name]}
        for name, (path, kind) in paths.items():
            value = _listed(found, path) if "[]" in path else _at(found, path)
            if value is not None and type(value) is not _TYPES[kind]:
                raise _wrong(self.name, found, f"{path} is {type(value).__name__}")
            row[name] = value
        if row["id"] is None or row["created"] is None:
            raise _wrong(self.name, found, "id or created is missing")
        return row

    def rows(self, api: Api) -> list[Row]:
        """Every object of an account, each once, by id."""
        path = f"/v1/{self.name}"
        rows = (
            self.keep_allowed(o, api.account) for o in api.rows(path, **_FILTERS.get(self.name, {}))
        )
        found = {row["id"]: row for row in rows}
        return [found[key] for key in sorted(found)]

    def connect(self) -> Accounts:
        """The configured accounts, one partition each."""
        return Accounts(named_apis())

    @property
    def source(self) -> Callable[..., DltSource]:
        """The dlt source of the list."""

        def source(plan: Plan[Accounts] | None = None) -> DltResource:
            items = self.read(plan or everything(self.connect(), None, None))
            made: DltResource = dlt.resource(items, name=self.name, **HINTS)
            return made

        return dlt.source(source, name=f"stripe_{self.name}", section="stripe", max_table_nesting=0)

    def read(self, plan: Plan[Accounts]) -> Iterator[Any]:
        """The list of each account. Raises Unchanged when it is what is published."""
        for landing in plan.landings:
            rows = self.rows(plan.provider.apis[landing.partition.key])
            delivery = land(f"stripe_{self.name}", self.schema, rows, landing)
            yield from landing.data(delivery, "listing")


def named_apis() -> dict[str, Api]:
    """The clients by account. Raises ConfigurationError for a name that no partition can have."""
    apis = {api.account: api for api in configuration().apis()}
    if wrong := [name for name in apis if not re.fullmatch(r"\w[\w.-]*", name)]:
        raise ConfigurationError(
            f"sources.stripe.accounts: {wrong[0]!r} cannot be part of a partition's name. Use "
            "only letters, digits, - and _."
        )
    return apis


class Accounts:
    """A partition per account: what it holds is known only when it is read."""

    def __init__(self, apis: Mapping[str, Api]) -> None:
        self.apis = apis

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every account, whatever months are selected."""
        known = {} if selection.force else published
        return [Partition(each, "", now(), 1, 0, known.get(each)) for each in sorted(self.apis)]


def land(
    source_name: str, schema: pa.Schema, rows: list[Row], landing: Landing, state: str = ""
) -> Delivery:
    """Rows as one landed file; `state` is put before the digest of the content.

    `partition.detail` is the published fingerprint: raises Unchanged when that is what was read.
    """
    partition = landing.partition
    fingerprint = f"{state}{hex_digest([json.dumps(rows, default=str)], 24)}"
    if fingerprint == partition.detail:
        raise Unchanged(partition.key)
    path = landing.folder / "rows.parquet"
    write_rows(path, schema, [pa.Table.from_pylist(rows, schema)], landing.advance)
    return delivered(
        source_name,
        partition.key,
        fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        layout=source_name,
    )


def _at(found: Any, path: str) -> Any:
    """The value at a path; an expanded object is replaced by its id."""
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping):
        return found.get("id")
    return found


def _listed(found: Mapping[str, Any], path: str) -> str | None:
    """Texts and whole numbers of each member of a list, as JSON."""
    before, _, after = path.partition("[].")
    entries = _at(found, before)
    if not isinstance(entries, list):
        return None
    values = (_at(entry, after) for entry in entries)
    return json.dumps([v if type(v) in (str, int) else None for v in values])


def _wrong(name: str, found: Mapping[str, Any], what: str) -> PartitionError:
    which = found.get("id") if isinstance(found.get("id"), str) else "without an id"
    return PartitionError(
        f"stripe {name}, object {which}: {what}, which Stripe's API never sends. The published "
        "list stays; check whether a proxy answers instead of Stripe, then run again."
    )
