"""Every trade of a currency in a span of time, each once, whatever the paging.

Ascending, with an inclusive start: of a page what is older than its last millisecond is kept, and
that millisecond is asked for again, whole. (`end = oldest - 1`, as collectors commonly page, loses
what did not fit of a page's outermost millisecond.) A millisecond that fills a page by itself is
read by instrument and sequence number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import Page, drop_repeated, kind_of, numbers

_EMPTY_TRIES = 4
_KINDS = ("future", "option", "spot", "future_combo", "option_combo")


def sweep(
    market: Market, host: Host, currency: str, kind: str, span: Span, rest: Callable[[], bool]
) -> Iterator[pa.Table]:
    """Tables of trades that together are the span's. `rest` tells whether to stop early."""
    start, known = span.start, False
    while start <= span.end and not rest():
        left = Span(start, span.end)
        page = first_page(market, host, currency, kind, left, begins=known)
        if not page.has_more:
            yield page.trades
            return
        following = int(page.timestamps()[-1])
        if following > start:
            yield page.trades.filter(pc.less(page.trades["timestamp"], following))
            start, known = following, True
            continue
        yield from burst(market, host, currency, kind, Span(start, start))
        start, known = start + 1, False


def first_page(
    market: Market, host: Host, currency: str, kind: str, span: Span, begins: bool = False
) -> Page:
    """A span's first page. An empty page counts only when both orders of paging return it, and
    the same question again twice: it may have been the answer to another question."""
    for _ in range(_EMPTY_TRIES):
        page = market.window(host, currency, kind, span, begins=begins)
        if page.trades.num_rows:
            return page
        if market.window(host, currency, kind, span, "desc").trades.num_rows:
            continue
        for _ in range(2):
            page = market.window(host, currency, kind, span, begins=begins)
            if page.trades.num_rows:
                return page
        return page
    raise PartitionError(
        f"{host.url}: no {currency} trades in ascending order, but some in descending order, "
        f"from {span.start} to {span.end}. Deribit is not consistent now; run again later."
    )


def burst(market: Market, host: Host, currency: str, kind: str, moment: Span) -> Iterator[pa.Table]:
    """All trades of one millisecond that may be more than two pages."""
    if kind == "any":
        yield from _of_unknown_kinds(market, host, currency, moment)
    for one in _KINDS if kind == "any" else (kind,):
        up = first_page(market, host, currency, one, moment)
        if not up.has_more:
            yield up.trades
            continue
        down = market.window(host, currency, one, moment, "desc")
        if _meet(up, down):
            yield _together([up.trades, down.trades])
            continue
        names = {*_names(up), *_names(down)}
        names |= set(_listed(market, currency, one, moment.start))
        for name in sorted(names):
            yield from _of_instrument(market, host, name, moment)


def _of_unknown_kinds(
    market: Market, host: Host, currency: str, moment: Span
) -> Iterator[pa.Table]:
    """Trades of families that no kind asks for, as far as both ends of the millisecond name them;
    the proof by number finds the others."""
    pages = [market.window(host, currency, "any", moment, sorting) for sorting in ("asc", "desc")]
    for name in sorted(name for name in set().union(*map(_names, pages)) if not kind_of(name)):
        yield from _of_instrument(market, host, name, moment)


def _of_instrument(market: Market, host: Host, name: str, moment: Span) -> Iterator[pa.Table]:
    """One instrument's trades of a millisecond: by time while they fit, else by number."""
    page = market.moment(host, name, moment)
    if not page.trades.num_rows:
        page = market.moment(host, name, moment, "desc")
    if not page.has_more:
        yield page.trades
        return
    seqs = numbers(page.trades, "trade_seq")
    for step, number in ((1, int(seqs.min())), (-1, int(seqs.min()) - 1)):
        while number > 0:
            found = _chunk(market, host, name, number, step)
            inside = found.filter(pc.equal(found["timestamp"], moment.start))
            yield inside
            if inside.num_rows < found.num_rows or not found.num_rows:
                break
            reached = numbers(found, "trade_seq")
            number = int(reached.max()) + 1 if step > 0 else int(reached.min()) - 1


def _chunk(market: Market, host: Host, name: str, number: int, step: int) -> pa.Table:
    if step > 0:
        return market.sequence(host, name, number, None).trades
    return market.sequence(host, name, None, number, sorting="desc").trades


def _meet(up: Page, down: Page) -> bool:
    """Whether two pages from both ends have all between; one page twice has not."""
    first, last = (set(page.trades["trade_id"].to_pylist()) for page in (up, down))
    return bool(first & last) and first != last


def _together(tables: list[pa.Table]) -> pa.Table:
    return drop_repeated(pa.concat_tables(tables).unify_dictionaries())


def _names(page: Page) -> set[str]:
    return set(page.trades["instrument_name"].unique().to_pylist())


def _listed(market: Market, currency: str, kind: str, moment: int) -> Iterator[str]:
    """Instruments that existed at that moment."""
    for expired in (False, True):
        for record in market.instruments(currency, kind, expired):
            made = record.get("creation_timestamp")
            ends = record.get("expiration_timestamp", record.get("expiry"))
            begun = not isinstance(made, int) or made <= moment
            if begun and (not isinstance(ends, int) or ends >= moment):
                yield record["instrument_name"]


def windows(span: Span, parts: int) -> list[Span]:
    """A span cut into equal spans that are swept at the same time."""
    length = -(-(span.end - span.start + 1) // parts)
    starts = range(span.start, span.end + 1, max(length, 1))
    return [Span(at, min(at + length - 1, span.end)) for at in starts]


def day_span(day_start: int, now: int, lag: int = 60_000) -> Span:
    """A day up to a minute ago: what is newer may not be indexed yet."""
    return Span(day_start, min(day_start + 86_400_000 - 1, now - lag))


__all__ = ["burst", "day_span", "first_page", "milliseconds", "sweep", "windows"]
