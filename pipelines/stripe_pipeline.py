"""Stripe's ledger: one row per balance transaction of every account, by creation month (UTC).

Stripe objects carry no `updated`: status and available_on of a transaction change after it was
created, so the months of the last `lookback_days` are read again in every run, and published again
only when their content changed. Older months are final; they are read once, or with --from.
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
from pipelines.providers.stripe.fields import SCHEMA, Row, kept, table
from pipelines.providers.stripe.months import first_month, oldest_read_again
from pipelines.providers.stripe.settings import StripeSettings, configuration

__all__ = ["CHECKED", "StripeLedger", "StripeSettings", "configuration", "connect", "stripe"]

log = logging.getLogger(__name__)

CHECKED = SCHEMA


class StripeLedger:
    """The balance transactions of the configured accounts."""

    def __init__(self, settings: StripeSettings, clock: Callable[[], datetime] = now) -> None:
        self.apis = settings.apis()
        self._lookback, self._workers, self._clock = (
            settings.lookback_days,
            settings.workers,
            clock,
        )
        self.published: Mapping[str, str] = {}
        self.force = False

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every month that has to be read, oldest first: young, not published or asked for.

        Where an account begins is asked of Stripe, in one request when nothing is older than what
        is published, else in about ten. Raises UserError when Stripe cannot be asked.
        """
        self.published, self.force = published, selection.force
        today = self._clock()
        last, young = months.month_of(today), oldest_read_again(today, self._lookback)
        firsts = [first_month(api.has_transaction_before, last, published) for api in self.apis]
        first = min((found for found in firsts if found), default=None)
        if first is None:
            return []
        asked = selection.first is not None or selection.force
        return [
            Partition(month, "", today, files=1, bytes=0)
            for month in months.between(first, last)
            if month in selection and (asked or month >= young or month not in published)
        ]

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
        return sorted(found.values(), key=lambda r: (r["account"], r["created"], r["id"]))


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
    key, read_at = landing.partition.key, now()
    try:
        rows = ledger.read(key, landing.advance)
    except PartitionError as error:
        raise PartitionError(_with_month(error, key)) from error
    mark = fingerprint(rows)
    if ledger.published.get(key) == mark and not ledger.force:
        raise Unchanged(key)
    path = landing.folder / "rows.parquet"
    write_rows(path, SCHEMA, _tables(rows))
    return delivered("stripe", key, mark, [path], delivered_at=read_at, form="balance transactions")


def fingerprint(rows: Iterable[Row]) -> str:
    """32 hex digits over the content of sorted rows: equal rows, equal fingerprint."""
    return hex_digest(json.dumps([row[name] for name in SCHEMA.names]) + "\n" for row in rows)


def _rows(
    api: Api, start: int, end: int, advance: Callable[[int], None]
) -> dict[tuple[str, str], Row]:
    """The rows of an account in [start, end), by account and id."""
    found = {}
    for each in api.rows(LEDGER, created={"gte": start, "lt": end}):
        row = kept(each, api.account)
        if not start <= row["created"] < end:
            raise PartitionError(
                f"stripe {api.account}: {row['id']} was created outside the requested period. The "
                "published month stays; check whether a proxy answers instead of Stripe."
            )
        found[api.account, row["id"]] = row
        advance(1)
    return found


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
