"""What lies on both sides of a day that is over: the proof that it was not read too early.

A host that lags, or has nothing of a day, answers like one that has it whole. So each host that a
part of the day was read from has to have a trade after that part, and the instruments that were
traded right before and right after the day, but not in it, must have every number in between.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.completeness import Proof, Prover
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import numbers
from pipelines.providers.deribit.sweep import first_page

_BEFORE = 7 * 86_400_000


@dataclass(frozen=True)
class Asking:
    """Of which day: the configured kinds of a currency, and the parts that it was read in."""

    market: Market
    currency: str
    kinds: Sequence[str]
    parts: Sequence[tuple[Host, Span]]


def prove_borders(asked: Asking, prover: Prover, seen: Collection[str], threads: int) -> Proof:
    """Trades of the day that the sweep does not have, and every doubt about its borders."""
    together = Proof()
    before, after = _before(asked), dict[str, int]()
    for host, part in asked.parts:
        after = _after(asked, host, part)
        if not after:
            end = datetime.fromtimestamp((part.end + 1) / 1000, UTC)
            together.doubts.append(
                f"{host.url} has no {asked.currency} trade after {end:%Y-%m-%d %H:%M} UTC yet"
            )
    after = _newest(asked) | after
    wanted = [(name, number, True) for name, number in after.items() if name not in seen]
    wanted += [
        (name, number, False) for name, number in before.items() if name not in {*seen, *after}
    ]

    def clear(item: tuple[str, int, bool]) -> Proof:
        proof = Proof()
        prover.is_clear(proof, *item)
        return proof

    with ThreadPoolExecutor(threads, "borders") as pool:
        for proof in pool.map(clear, wanted):
            together.trades += proof.trades
            together.doubts += proof.doubts
    return together


def _before(asked: Asking) -> dict[str, int]:
    """By instrument the last number before the day, of the nearest trades that history has."""
    start, history = asked.parts[0][1].start, asked.market.history
    if history is None:
        return {}
    span = Span(start - _BEFORE, start - 1)
    pages = (asked.market.window(history, asked.currency, k, span, "desc") for k in asked.kinds)
    return _first_of_each([page.trades for page in pages])


def _after(asked: Asking, host: Host, part: Span) -> dict[str, int]:
    """By instrument the first number after a part, of the nearest trades."""
    span = Span(part.end + 1, milliseconds(asked.market.now()))
    if span.end < span.start:
        return {}
    pages = (first_page(asked.market, host, asked.currency, k, span) for k in asked.kinds)
    return _first_of_each([page.trades for page in pages])


def _newest(asked: Asking) -> dict[str, int]:
    """What production shows beside a day that is near the end of what history has."""
    market, (host, part) = asked.market, asked.parts[-1]
    if host is market.production:
        return {}
    span = Span(part.end + 1, milliseconds(market.now()))
    more = [market.window(host, asked.currency, k, span, "asc").has_more for k in asked.kinds]
    if all(more):
        return {}
    return _after(asked, market.production, Span(part.end, market.border() - 1))


def _first_of_each(tables: list[pa.Table]) -> dict[str, int]:
    """The first number of each instrument, in the order of the pages."""
    found: dict[str, int] = {}
    for table in tables:
        names = table["instrument_name"].to_pylist()
        for name, number in zip(names, numbers(table, "trade_seq").tolist(), strict=True):
            found.setdefault(name, number)
    return found
