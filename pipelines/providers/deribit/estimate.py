"""What a load will cost, before it begins: calls and time, from a few sampled days.

Trade ids count up within a currency, so the first and the last of a day tell how many it had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipelines.core.partition import Partition
from pipelines.providers.deribit.calendar import Asking, start_of
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import Page
from pipelines.providers.deribit.settings import DeribitSettings
from pipelines.providers.deribit.sweep import day_span

_SAMPLES = 5
_PER_INSTRUMENT = 250
"""Trades of a day for one instrument that traded in it, so that proofs can be counted."""


@dataclass(frozen=True)
class Estimate:
    """Of a number of days of one currency."""

    currency: str
    days: int
    trades: int
    calls: int
    seconds: float


def estimates(
    market: Market, settings: DeribitSettings, partitions: Sequence[Partition]
) -> list[Estimate]:
    """One per currency. Up to five days of each are sampled with two calls."""
    found = []
    wanted = [p.detail for p in partitions]
    for currency in sorted({asked.currency for asked in wanted}):
        days = [asked for asked in wanted if asked.currency == currency]
        step = max(len(days) // _SAMPLES, 1)
        sampled = [_trades_of(market, asked) for asked in days[::step][:_SAMPLES]]
        trades = round(sum(sampled) / len(sampled) * len(days))
        pages = trades // settings.page_size + len(days) * settings.parallel
        calls = pages + 2 * trades // _PER_INSTRUMENT
        found.append(
            Estimate(currency, len(days), trades, calls, calls / settings.requests_per_second)
        )
    return found


def estimate(market: Market, settings: DeribitSettings, partitions: Sequence[Partition]) -> str:
    """One line per currency for --dry-run: days, trades, requests, time."""
    if not partitions:
        return "nothing is to be read"
    return "\n".join(
        f"{each.currency}: {each.days:,} days, about {each.trades:,} trades, {each.calls:,} calls, "
        f"{timedelta(seconds=round(each.seconds))} at {settings.requests_per_second:g} a second"
        for each in estimates(market, settings, partitions)
    )


def _trades_of(market: Market, asked: Asking) -> int:
    """By the ids of a day's first and last trade."""
    span = day_span(milliseconds(start_of(asked.day)), milliseconds(market.now()))
    parts = list(market.parts(span))
    if span.end < span.start:
        return 0
    first = _page(market, parts[0], asked.currency, "asc")
    last = _page(market, parts[-1], asked.currency, "desc")
    if not first.trades.num_rows or not last.trades.num_rows:
        return 0
    return max(_number(last) - _number(first) + 1, 1)


def _page(market: Market, part: tuple[Host, Span], currency: str, sorting: str) -> Page:
    host, span = part
    return market.window(host, currency, "any", span, sorting)


def _number(page: Page) -> int:
    found = re.search(r"(\d+)$", page.trades["trade_id"][0].as_py())
    return int(found[1]) if found else 0
