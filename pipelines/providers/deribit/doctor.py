"""Examine the Deribit source: configuration, both hosts, clocks, the newest trade."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipelines.core.findings import Finding, origin, warning
from pipelines.core.partition import now
from pipelines.core.text import age
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.market import RECENT, Market, Span, milliseconds
from pipelines.providers.deribit.settings import configuration

_SKEW = timedelta(minutes=5)
_QUIET = timedelta(days=1)


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it."""
    settings = configuration()
    subject = "source deribit"
    what = f"{', '.join(settings.currencies)}, kinds {', '.join(settings.kinds)}"
    yield Finding(True, subject, f"{what} {origin('currencies')}")
    pace = f"{settings.requests_per_second:g} requests a second, {settings.parallel} at a time"
    yield Finding(True, subject, f"{pace} {origin('requests_per_second')}")
    market = Market(settings)
    yield Finding(True, subject, f"{market.production.url} reachable, no key needed")
    yield _clock(market)
    for currency in settings.currencies:
        yield _newest(market, currency)
    if market.history is None:
        fix = "Set sources.deribit.test_network = false for older days."
        yield warning(subject, "test network: the last 24 hours only", fix)
        return
    yield _history(market, market.history, settings.currencies[0])


def _clock(market: Market) -> Finding:
    off = abs(market.now() - now())
    detail = f"clocks differ by {off.total_seconds():.0f} s"
    if off > _SKEW:
        fix = "Days are cut by Deribit's clock, so nothing is lost; set this machine's by NTP."
        return warning("source deribit", detail, fix)
    return Finding(True, "source deribit", detail)


def _newest(market: Market, currency: str) -> Finding:
    end = market.now()
    span = Span(milliseconds(end - RECENT), milliseconds(end))
    found = market.window(market.production, currency, "any", span, "desc")
    if not found.trades.num_rows:
        fix = "Correct sources.deribit.currencies: BTC, ETH, USDC, USDT or EURR."
        return Finding(False, "source deribit", f"{currency}: no trade in 23 hours", fix)
    moment = datetime.fromtimestamp(int(found.timestamps().max()) / 1000, UTC)
    return Finding(True, "source deribit", f"{currency}: newest trade {age(moment)}")


def _history(market: Market, history: Host, currency: str) -> Finding:
    end = market.now() - 3 * _QUIET
    span = Span(milliseconds(end - _QUIET), milliseconds(end))
    found = market.window(history, currency, "any", span, "desc")
    where = f"{history.url} reachable"
    if not found.trades.num_rows:
        fix = "Past days come from it: set SOURCES__DERIBIT__HISTORY_URL to a host that has them."
        return Finding(False, "source deribit", f"{where}, but without {currency} trades", fix)
    return Finding(True, "source deribit", where)
