"""Count and sums of one final month as Stripe has them now, by account and currency: for a check.

Every load asks for another of the published months that are final, in the order of days: a month
comes again after as many days as there are months. The question is one list from its newest to its
oldest transaction, and shares nothing with how months are planned, split and kept. It takes a
request per 100 transactions, so an account with more than `sample_pages` of them is passed over.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.finality import final_from
from pipelines.core.landing import HINTS, Landing, Plan, everything
from pipelines.core.partition import (
    ALL,
    Delivery,
    Partition,
    PartitionError,
    Selection,
    Unchanged,
    now,
)
from pipelines.providers.stripe.api import LEDGER, PAGE, Api
from pipelines.providers.stripe.calendar import calendar
from pipelines.providers.stripe.objects import Row, land
from pipelines.providers.stripe.settings import StripeSettings, configuration

__all__ = ["CHECKED", "Totals", "connect", "source"]

log = logging.getLogger(__name__)

_SUMS = ("amount", "fee", "net")
CHECKED = pa.schema(
    [
        ("account", pa.string()),
        ("currency", pa.string()),
        ("row_count", pa.int64()),
        *((name, pa.int64()) for name in _SUMS),
        ("asked_at", pa.timestamp("us", "UTC")),
    ]
)


class Totals:
    """The configured accounts, asked for one month."""

    def __init__(self, settings: StripeSettings) -> None:
        self.apis, self.pages = settings.apis(), settings.sample_pages

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """The month of today, of those published of the ledger; none while none is final."""
        at, every = now(), calendar()
        final = [
            month
            for month, fingerprint in sorted(published.items())
            if fingerprint and month in selection and final_from(every, month) <= at
        ]
        if not self.pages or not final:
            return []
        month = final[at.toordinal() % len(final)]
        # `has_moved`: an account that is not configured any more is no loss
        return [Partition(month, "", at, 1, 0, has_moved=True)]

    def rows(self, month: str) -> list[Row]:
        """One row per currency of each account, or one without a currency."""
        at = now()
        found = (_totals(api, month, self.pages, at) for api in self.apis)
        return [row for own in found for row in own]


def connect() -> Totals:
    """The configured accounts."""
    return Totals(configuration())


@dlt.source(name="stripe_month_totals", section="stripe", max_table_nesting=0)
def source(plan: Plan[Totals] | None = None) -> DltResource:
    """The month that is asked for today."""
    made: DltResource = month_totals(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="month_totals", **HINTS)
def month_totals(plan: Plan[Totals]) -> Iterator[Any]:
    """One row per account and currency. Raises Unchanged when no account was asked to its end."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "asked_month")


def _land(provider: Totals, landing: Landing) -> Delivery:
    rows = provider.rows(landing.partition.key)
    if not rows:
        raise Unchanged(landing.partition.key)
    return land("stripe_month_totals", CHECKED, rows, landing)


def _totals(api: Api, month: str, pages: int, at: datetime) -> list[Row]:
    start, end = months.start_of(month), months.start_of(months.after(month))
    limit = pages * PAGE
    listed = api.rows(LEDGER, created={"gte": start, "lt": end})
    rows = {str(each.get("id")): each for each in itertools.islice(listed, limit + 1)}
    if len(rows) > limit:
        log.info("stripe %s: %s has more than %d pages: not compared", api.account, month, pages)
        return []
    found: dict[str, Row] = {}
    try:
        for each in rows.values():
            total = found.setdefault(each["currency"], _nothing(api, each["currency"], at))
            total["row_count"] += 1
            for name in _SUMS:
                total[name] += int(each[name])
    except (KeyError, TypeError, ValueError):
        raise PartitionError(
            f"stripe {api.account}: a transaction of {month} is not as Stripe's API sends it. "
            "Check whether a proxy answers instead of Stripe, then run again."
        ) from None
    return [found[key] for key in sorted(found)] or [_nothing(api, "", at)]


def _nothing(api: Api, currency: str, at: datetime) -> Row:
    sums = dict.fromkeys(("row_count", *_SUMS), 0)
    return {"account": api.account, "currency": currency, "asked_at": at, **sums}
