"""Stripe's ledger: one row per balance transaction of every account, by creation month (UTC).

Stripe objects carry no `updated`: status and available_on of a transaction change after it was
created. A month is final once every configured account was read `lookback_days` after its end; till
then every run reads it again and publishes it again only when its content changed. A final month is
read with --from. What an account that is not configured any more had in a month stays in it.
"""

from __future__ import annotations

import itertools
import json
import logging
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.digests import hex_digest
from pipelines.core.finality import ByLookback
from pipelines.core.landing import (
    CONTRACT,
    REPLACED,
    Landing,
    Plan,
    delivered,
    everything,
    write_rows,
)
from pipelines.core.partition import (
    ALL,
    Delivery,
    Partition,
    PartitionError,
    Selection,
    Unchanged,
    UserError,
    now,
)
from pipelines.providers.stripe.api import LEDGER, Api
from pipelines.providers.stripe.fields import SCHEMA, Row, keep_allowed, table
from pipelines.providers.stripe.months import first_month
from pipelines.providers.stripe.settings import StripeSettings, configuration

__all__ = ["CHECKED", "StripeLedger", "StripeSettings", "configuration", "connect", "stripe"]

log = logging.getLogger(__name__)

CHECKED = SCHEMA


class StripeLedger:
    """The balance transactions of the configured accounts."""

    def __init__(self, settings: StripeSettings, clock: Callable[[], datetime] = now) -> None:
        self.apis = settings.apis()
        names = tuple(api.account for api in self.apis)
        self._calendar = ByLookback(names, settings.lookback_days, clock)
        self._workers = settings.workers
        self.published: Mapping[str, str] = {}
        self.force = False

    @property
    def scope(self) -> tuple[str, ...]:
        """The configured accounts."""
        return self._calendar.scope

    @property
    def lookback_days(self) -> int:
        """How many days after its end a month may change."""
        return self._calendar.lookback_days

    def now(self) -> datetime:
        """The moment of a reading that begins now."""
        return self._calendar.now()

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every month from the first transaction or published month to this one, oldest first.

        Where an account begins is asked of Stripe, in one request when nothing is older than what
        is published, else in about ten. Raises UserError when Stripe cannot be asked.
        """
        self.published, self.force = published, selection.force
        today = self.now()
        last = months.month_of(today)
        firsts = [first_month(api.has_transaction_before, last, published) for api in self.apis]
        first = min((found for found in (*firsts, *published) if found), default=None)
        if first is None:
            return []
        return [
            Partition(month, "", today, files=1, bytes=0)
            for month in months.between(first, last)
            if month in selection
        ]

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """At least how many requests a load of these months takes."""
        count = len(list(partitions))
        requests = count * len(self.apis) * self._workers
        return (
            f"stripe: reads {count:,} months of {', '.join(self.scope)}, in {requests:,} requests "
            "and one more per 100 transactions; Stripe charges nothing for them"
        )

    def read(self, month: str, advance: Callable[[int], None] = lambda rows: None) -> list[Row]:
        """The rows of a month, each once, ordered by account, time and id.

        A row that Stripe gives twice (a page's boundary, a change between two pages) counts once,
        as it was read last. Raises PartitionError for a row of another month.
        """
        start, end = months.start_of(month), months.start_of(months.after(month))
        tasks = [(api, *part) for api in self.apis for part in _parts(start, end, self._workers)]

        def page_through(task: tuple[Api, int, int]) -> dict[tuple[str, str], Row]:
            return _rows(*task, advance)

        with ThreadPoolExecutor(self._workers, "stripe") as threads:
            found: dict[tuple[str, str], Row] = {}
            for part in threads.map(page_through, tasks):
                found |= part
        return _sorted(found.values())


def connect() -> StripeLedger:
    """The configured accounts, ready to plan months."""
    return StripeLedger(configuration())


@dlt.source(name="stripe", section="stripe", spec=StripeSettings, max_table_nesting=0)
def stripe(
    stripe_secret_key: str | None = dlt.secrets.value,
    accounts: dict[str, str] | None = None,
    api_base: str | None = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[StripeLedger] | None = None,
) -> DltResource:
    """Every creation month from `first` to `last` (2026-10), whole: a later load replaces it.

    One `stripe_secret_key`, or keys by the name of their account. `plan` is the loader's.
    """
    if plan is None:
        keys = {"stripe_secret_key": stripe_secret_key, "accounts": accounts, "api_base": api_base}
        plan = everything(StripeLedger(configuration(**keys)), first, last)
    return balance_transactions(plan)


@dlt.resource(
    name="balance_transactions",
    file_format="parquet",
    write_disposition=REPLACED,
    schema_contract=CONTRACT,
)
def balance_transactions(plan: Plan[StripeLedger]) -> Iterator[Any]:
    """The ledger of a month. Raises Unchanged when it is what is published."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "created_month")


def _land(ledger: StripeLedger, landing: Landing) -> Delivery:
    key, read_at = landing.partition.key, ledger.now()
    try:
        rows = ledger.read(key, landing.advance)
    except PartitionError as error:
        raise PartitionError(_with_month(error, key)) from error
    rows = _with_removed(rows, landing)
    current = fingerprint(rows)
    if ledger.published.get(key) == current and not ledger.force:
        raise Unchanged(key)
    path = landing.folder / "rows.parquet"
    write_rows(path, SCHEMA, _tables(rows))
    return delivered(
        "stripe", key, current, [path], delivered_at=read_at, layout="balance transactions"
    )


def _with_removed(rows: list[Row], landing: Landing) -> list[Row]:
    """The rows, and those published of accounts that nobody can ask any more.

    An account that was only renamed has the same transactions, which are not kept twice.
    """
    if not landing.removed:
        return rows
    known = {row["id"] for row in rows}
    kept = [
        row
        for published in landing.published(SCHEMA)
        for row in published.to_pylist()
        if row["account"] in landing.removed and row["id"] not in known
    ]
    return _sorted([*rows, *kept])


def fingerprint(rows: Iterable[Row]) -> str:
    """32 hex digits over the content of sorted rows: equal rows, equal fingerprint."""
    return hex_digest(json.dumps([row[name] for name in SCHEMA.names]) + "\n" for row in rows)


def _rows(
    api: Api, start: int, end: int, advance: Callable[[int], None]
) -> dict[tuple[str, str], Row]:
    """The rows of an account in [start, end), by account and id."""
    found = {}
    for each in api.rows(LEDGER, created={"gte": start, "lt": end}):
        row = keep_allowed(each, api.account)
        if not start <= row["created"] < end:
            raise PartitionError(
                f"stripe {api.account}: {row['id']} was created outside the requested period. The "
                "published month stays; check whether a proxy answers instead of Stripe."
            )
        found[api.account, row["id"]] = row
        advance(1)
    return found


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["account"], row["created"], row["id"]))


def _parts(start: int, end: int, count: int) -> list[tuple[int, int]]:
    """[start, end) in `parts` spans of whole seconds, which are read in parallel."""
    cuts = [start + (end - start) * n // count for n in range(count + 1)]
    return [(one, other) for one, other in itertools.pairwise(cuts) if one < other]


def _tables(rows: list[Row]) -> Iterator[pa.Table]:
    for start in range(0, len(rows), 50_000):
        yield table(rows[start : start + 50_000])


def _with_month(error: UserError, month: str) -> str:
    return f"stripe {month}: {error}"


if __name__ == "__main__":  # python pipelines/stripe_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "stripe", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")
