"""Deribit's trades, one row per trade as the exchange gives it out; no key is needed.

A UTC day of one settlement currency is the unit. A day is read until it is proven complete, by
sequence numbers (pipelines/providers/deribit/completeness.py) and by what lies on both its sides
(neighbours.py); after some days without a proof it is a hole by name. Past days come from the
history host, the last hours from production, since production answers older questions with nothing
and no error.
"""

from __future__ import annotations

import logging
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.landing import (
    CONTRACT,
    REPLACED,
    Landing,
    Plan,
    delivered,
    everything,
    write_rows,
)
from pipelines.core.partition import ALL, Delivery, Partition, PartitionError, Selection, Unchanged
from pipelines.providers.deribit import calendar
from pipelines.providers.deribit.ahead import Ahead
from pipelines.providers.deribit.calendar import Asking, DayFingerprint
from pipelines.providers.deribit.days import RAW, Day, Digest, read_day
from pipelines.providers.deribit.estimate import estimate
from pipelines.providers.deribit.market import Market, milliseconds
from pipelines.providers.deribit.settings import DeribitSettings, configuration
from pipelines.providers.deribit.sweep import day_span

__all__ = ["CHECKED", "Trades", "connect", "deribit"]

log = logging.getLogger(__name__)

CHECKED = RAW
LAYOUT = "trades"


class Trades:
    """The configured currencies' trades, as Deribit has them now."""

    def __init__(self, settings: DeribitSettings) -> None:
        self.settings = settings
        self.market = Market(settings)
        self._ahead: Ahead[Day] = Ahead(self._read)
        self._known: dict[str, dict[str, int]] = {}
        self._until: dict[str, date] = {}

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every selected day until today, oldest first; nothing is asked but the time."""
        found = calendar.plan(self.settings, self.market.now(), selection, published)
        if removed := calendar.removed(self.settings, published):
            said = "deribit: %s not configured any more. What is published of it stays."
            log.warning(said, ", ".join(removed))
        self._ahead.plan(calendar.to_read(found, selection))
        return found

    def estimate(self, partitions: list[Partition]) -> str:
        """How many calls and how long a load of these would take."""
        return estimate(self.market, self.settings, partitions)

    def day(self, partition: Partition, advance: Callable[[int], None]) -> Day:
        """Read one day, or take what was read ahead; the next is then read."""
        return self._ahead.take(partition, advance)

    def _read(
        self, partition: Partition, advance: Callable[[int], None], stopped: Callable[[], bool]
    ) -> Day:
        asked: Asking = partition.detail
        known = self._before(asked)
        now = self.market.now()
        start = milliseconds(calendar.start_of(asked.day))
        span = day_span(start, milliseconds(now))
        over = calendar.is_over(now, asked.day, self.settings)
        settings = copy(self.settings)
        settings.kinds = list(asked.kinds)
        day = read_day(
            self.market, settings, asked.currency, span, now, known, advance, stopped, over
        )
        if not day.doubts:
            self._known[asked.currency] = {**known, **day.last}
            self._until[asked.currency] = asked.day
        return day

    def _before(self, asked: Asking) -> dict[str, int]:
        """The last numbers of the days before, when this very run read them without a gap."""
        until = self._until.pop(asked.currency, None)
        known = self._known.pop(asked.currency, {})
        return known if until == asked.day - calendar.ONE else {}


def connect() -> Trades:
    """The configured market. Raises PartitionError when Deribit is not reached."""
    return Trades(configuration())


@dlt.source(name="deribit", section="deribit", spec=DeribitSettings, max_table_nesting=0)
def deribit(
    currencies: list[str] = dlt.config.value,
    kinds: list[str] = dlt.config.value,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[Trades] | None = None,
) -> DltResource:
    """Every day of a currency from `first` to `last` (2026-10-31), whole: a later load replaces it.

    Without `first` the last days. `plan` is the loader's: the one day that it wants.
    """
    if plan is None:
        plan = everything(Trades(configuration(currencies=currencies, kinds=kinds)), first, last)
    return trades(plan)


@dlt.resource(
    name="trades", file_format="parquet", write_disposition=REPLACED, schema_contract=CONTRACT
)
def trades(plan: Plan[Trades]) -> Iterator[Any]:
    """The trades of a day. Raises Unchanged when it is published already."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "trade_date")


def _land(trades: Trades, landing: Landing) -> Delivery:
    partition = landing.partition
    asked: Asking = partition.detail
    day = trades.day(partition, landing.advance)
    _refuse_fewer(asked, partition.key, day.rows)
    path, digest = landing.folder / "trades.parquet", Digest()
    slices: Iterator[pa.Table] = map(digest.of, day.slices())
    write_rows(path, RAW, slices)
    read = DayFingerprint(digest=digest.text(), rows=day.rows)
    fingerprint = calendar.judge(asked, day.read_at, day.is_complete, read, trades.settings)
    if fingerprint.state != "closed" and day.doubts:
        log.warning(
            "deribit %s is %s: %s", partition.key, _describe(fingerprint), _first(day.doubts)
        )
    if fingerprint.text == asked.published and not asked.force:
        raise Unchanged
    return delivered(
        "deribit",
        partition.key,
        fingerprint.text,
        [path],
        delivered_at=calendar.delivered_at(day.read_at, asked.day),
        layout=LAYOUT,
    )


def _refuse_fewer(asked: Asking, key: str, rows: int) -> None:
    """Deribit takes no trade back, so that fewer than before are a host that lags.

    Raises Unchanged, or PartitionError when the day was asked for with --force. --accept-shrunk
    takes them.
    """
    before = DayFingerprint.of(asked.published).rows
    if rows >= before or asked.accept_shrunk:
        return
    what = f"deribit {key}: {before:,} trades are published and the hosts now have {rows:,}"
    if asked.force:
        raise PartitionError(
            f"{what}. The published ones stay; run again when the hosts are well, or take fewer "
            "with --accept-shrunk."
        )
    log.warning("%s; the published ones stay, and the day stays open", what)
    raise Unchanged


def _describe(fingerprint: DayFingerprint) -> str:
    return calendar.finality(fingerprint.text)


def _first(doubts: list[str]) -> str:
    more = len(doubts) - 1
    return f"{doubts[0]}{f' (and {more:,} more)' if more else ''}"


if __name__ == "__main__":  # python pipelines/deribit_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "deribit", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")
