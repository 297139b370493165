"""From which table each usage month of a billing account is read, where several tables have it.

The standard and the detailed export, an export that was moved and the one that follows it, repeat
each other: Google fills a new table of a multi-region back to the first of the previous month, with
the time of that appending as `export_time`. So no export day tells which rows are in both; the day
of use does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta

from pipelines.providers.gcp.days import Piece, Share, expired, partition_of, with_rows
from pipelines.providers.gcp.exports import Export

LAG = timedelta(days=2)
"""How much later one table may get a day of use than another."""

FILLING, FILLED = timedelta(days=5), timedelta(days=10)
"""For how long Google fills a new table with its past, and how far back that goes at least."""

Month = tuple[int, int]
Amounts = dict[str, dict[date, int]]  # by table and day of use


def shares(pieces: Iterable[Piece], published: Mapping[str, str]) -> dict[date, list[Share]]:
    """What to read of each export day. A day of which nothing is read is there, empty.

    What is published of export days that no table has any more stays, so what a new table repeats
    of them is not read, unless it was published before they went.
    """
    every = list(pieces)
    found = _read(every, every)
    gone = expired(found, date.min, published)
    repeats = [each for each in _repeats(every, gone) if not _is_current(each, found, published)]
    if not repeats:
        return found
    left_out = {id(each) for each in repeats}
    return _read(every, [each for each in every if id(each) not in left_out])


def _read(every: list[Piece], candidates: list[Piece]) -> dict[date, list[Share]]:
    tables = read_from(candidates)
    read = {
        id(each)
        for each in candidates
        if tables[each.share.account, each.usage] == each.share.table
    }
    cut = {each.day for each in every if id(each) not in read}
    by_share: dict[tuple[date, str, str], list[Piece]] = defaultdict(list)
    found: dict[date, list[Share]] = {each.day: [] for each in every}
    for each in every:
        if id(each) in read:
            by_share[each.day, each.share.table, each.share.account].append(each)
    for (day, *_), several in sorted(by_share.items()):
        found[day].append(_joined(several, is_cut=day in cut))
    return found


def _repeats(every: list[Piece], gone: list[date]) -> Iterator[Piece]:
    """What tables that were filled back have of the time of export days that are gone."""
    by_table = defaultdict(list)
    for each in every:
        by_table[each.share.table, each.share.account].append(each)
    for own in by_table.values():
        begin = min(each.day for each in own)
        filled = min(each.usage for each in own if each.day <= begin + FILLING)
        before = [day for day in gone if day < begin]
        if filled < begin - FILLED and before and filled <= before[-1]:
            yield from (each for each in own if each.usage <= before[-1])


def _is_current(
    piece: Piece, found: Mapping[date, list[Share]], published: Mapping[str, str]
) -> bool:
    """Whether the piece's day is published as it is when nothing is left out."""
    day = partition_of(piece.day, found[piece.day])
    return published.get(day.key) == day.fingerprint


def before_filled(start: date) -> date:
    """A table that has rows of this day was filled back before `start`."""
    return start - FILLING - timedelta(days=1)


def begins_later(
    found: Iterable[tuple[date, Share]], early: date, published: Mapping[str, str]
) -> bool:
    """Whether a table that has no rows of `early` follows one of which days are published.

    Then what Google filled it back with may repeat them, and only days of use tell.
    """
    first: dict[str, date] = {}
    for day, share in found:
        first[share.table] = min(day, first.get(share.table, day))
    current = with_rows(published)
    return bool(current) and any(day > max(early, current[0]) for day in first.values())


def read_from(pieces: Iterable[Piece]) -> dict[tuple[str, date], str]:
    """The table of each billing account's day of use."""
    by_account = defaultdict(list)
    for each in pieces:
        by_account[each.share.account].append(each)
    return {
        (account, day): table
        for account, own in by_account.items()
        for day, table in _of_account(own)
    }


def _of_account(own: list[Piece]) -> Iterator[tuple[date, str]]:
    """A month's table is the best one that has all of it; where none has, each day's is.

    The newest days may still be on their way to one of the tables.
    """
    order = _by_preference(own)
    settled = min(max(each.usage for each in own), max(each.day for each in own)) - LAG
    months: dict[Month, Amounts] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for each in own:
        month = months[each.usage.year, each.usage.month]
        month[each.share.table][each.usage] += each.positive
    for amounts in months.values():
        most = {
            day: max(of.get(day, 0) for of in amounts.values())
            for of in amounts.values()
            for day in of
        }
        old = {day: amount for day, amount in most.items() if day <= settled}
        there = [table for table in order if table in amounts]
        whole = next((table for table in there if _has_all(amounts[table], old)), None)
        for day in most:
            yield day, whole or max(there, key=lambda table: amounts[table].get(day, -1))


def _by_preference(own: list[Piece]) -> list[str]:
    """The detailed export first, then what was exported last."""
    newest: dict[str, date] = {}
    for each in own:
        newest[each.share.table] = max(each.day, newest.get(each.share.table, each.day))
    return sorted(
        sorted(newest),
        key=lambda table: (Export.of(table).detailed, newest[table]),
        reverse=True,
    )


def _has_all(amounts: dict[date, int], most: dict[date, int]) -> bool:
    """Whether a table has these days of use, to half a percent of the most that any has."""
    return all(
        day in amounts and amounts[day] >= amount - amount // 200 for day, amount in most.items()
    )


def _joined(several: list[Piece], *, is_cut: bool) -> Share:
    """The share of a table, an account and an export day."""
    firsts = [each.share.first_partition for each in several if each.share.first_partition]
    lasts = [each.share.last_partition for each in several if each.share.last_partition]
    return replace(
        several[0].share,
        rows=sum(each.share.rows for each in several),
        newest=max(each.share.newest for each in several),
        micros=sum(each.share.micros for each in several),
        first_partition=min(firsts, default=None),
        last_partition=max(lasts, default=None),
        usage=tuple(_ranges(sorted(each.usage for each in several))) if is_cut else None,
    )


def _ranges(days: list[date]) -> Iterator[tuple[date, date]]:
    first = last = days[0]
    for day in days[1:]:
        if day - last > timedelta(days=1):
            yield first, last
            first = day
        last = day
    yield first, last
