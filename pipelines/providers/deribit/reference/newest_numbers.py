"""Each host's newest numbers at the end of the last day that is over: a second question.

It is asked after the trades and in another way than those, a page of the newest trades of each kind
and host, so that the check `deribit_newest_numbers` can hold what is published against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.landing import HINTS, Plan, everything
from pipelines.core.partition import ALL, Partition, Selection
from pipelines.providers.deribit import calendar
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import numbers
from pipelines.providers.deribit.reference.landing import land
from pipelines.providers.deribit.settings import DeribitSettings, configuration

__all__ = ["CHECKED", "NewestNumbers", "connect", "source"]

CHECKED = pa.schema(
    [
        ("host", pa.string()),
        ("instrument_name", pa.string()),
        ("trade_seq", pa.int64()),
        ("traded_at", pa.timestamp("us", "UTC")),
        ("trades_partition", pa.string()),
    ]
)
_FAR_BACK = timedelta(days=7)


class NewestNumbers:
    """What the hosts have of the configured currencies."""

    def __init__(self, settings: DeribitSettings) -> None:
        self.settings = settings
        self.market = Market(settings)

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """One per currency, read in every run."""
        if not self.settings.newest_numbers:
            return []
        end, found = self.end(), []
        for currency in sorted(self.settings.currencies):
            key = f"newest.{currency}"
            known = None if selection.force else published.get(key) or None
            found.append(Partition(key, "", end, 1, 0, (currency, known)))
        return found

    def end(self) -> datetime:
        """The end of the last day that is over."""
        moment = self.market.now() - timedelta(hours=self.settings.settle_hours)
        return calendar.start_of(moment.date())

    def rows(self, currency: str) -> Iterator[dict[str, Any]]:
        """The newest sequence numbers of a currency, by host and instrument."""
        last, production = milliseconds(self.end()) - 1, self.market.production
        asked = [("production", production, Span(self.market.border(), last))]
        if self.market.history:
            first = milliseconds(self.end() - _FAR_BACK)
            asked.append(("history", self.market.history, Span(first, last)))
        for name, host, span in asked:
            newest = self._newest(host, currency, span) if span.start <= span.end else {}
            for instrument, (number, moment) in sorted(newest.items()):
                traded_at = datetime.fromtimestamp(moment / 1000, UTC)
                day: date = traded_at.date()
                yield {
                    "host": name,
                    "instrument_name": instrument,
                    "trade_seq": number,
                    "traded_at": traded_at,
                    "trades_partition": calendar.key(currency, day),
                }

    def _newest(self, host: Host, currency: str, span: Span) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for kind in self.settings.kinds:
            page = self.market.window(host, currency, kind, span, "desc")
            names = page.trades["instrument_name"].to_pylist()
            seqs, moments = numbers(page.trades, "trade_seq").tolist(), page.timestamps().tolist()
            for name, *newest in zip(names, seqs, moments, strict=True):
                found[name] = max(found.get(name, (0, 0)), (newest[0], newest[1]))
        return found


def connect() -> NewestNumbers:
    """The hosts of the configured market, ready to plan."""
    return NewestNumbers(configuration())


@dlt.source(name="deribit_newest_numbers", section="deribit", max_table_nesting=0)
def source(plan: Plan[NewestNumbers] | None = None) -> DltResource:
    """The newest numbers of each currency."""
    made: DltResource = newest_numbers(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="newest_numbers", **HINTS)
def newest_numbers(plan: Plan[NewestNumbers]) -> Iterator[Any]:
    """One row per host and instrument. Raises Unchanged when they are as they are published."""
    for landing in plan.landings:
        currency, known = landing.partition.detail
        rows = list(plan.provider.rows(currency))
        delivery = land("deribit_newest_numbers", landing, CHECKED, rows, known)
        yield from landing.data(delivery, "listing")
