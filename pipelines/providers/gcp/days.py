"""Which export days there are: one aggregate query per table over a pruned range of partitions.

An export day is DATE(export_time) in UTC. Google only adds rows, late ones and corrections too,
under a new export_time, so what is older than the lookback is looked at again only where a day is
missing. `_PARTITIONTIME` prunes; it lies within days of export_time and is NULL for rows that are
still in BigQuery's streaming buffer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pipelines.core.partition import ConfigurationError, Partition, Selection, fingerprint
from pipelines.providers.gcp.calendar import is_of

MARGIN = timedelta(days=2)
"""Rows can carry an ingestion time up to this much earlier than their export time."""

_PLAN = """
select
    date(export_time) as export_date,
    billing_account_id,
    {usage}
    count(*) as row_count,
    max(export_time) as newest,
    sum(safe_cast(round(cost * 1000000) as int64)) as micros,
    {first} as first_partition,
    {last} as last_partition
from `{table}`
where {kept} and date(export_time) >= @day
group by {keys}
"""
"""Micros are whole numbers: a sum of floats could differ from run to run."""

USAGE_DATE = "date(coalesce(usage_start_time, export_time))"
"""The UTC day of use, as `x_usage_date` is."""

_BY_USAGE = f"""{USAGE_DATE} as usage_date,
    sum(safe_cast(round(greatest(cost, 0) * 1000000) as int64)) as positive,"""


def plan(table: str, *, by_usage: bool, is_partitioned: bool = True) -> str:
    """The aggregate query over a table: by export day and account, and by day of use if asked.

    A view and a copy without partitions by the time of ingestion are read whole.
    """
    return _PLAN.format(
        table=table,
        usage=_BY_USAGE if by_usage else "",
        keys="1, 2, 3" if by_usage else "1, 2",
        first="min(_PARTITIONTIME)" if is_partitioned else "cast(null as timestamp)",
        last="max(_PARTITIONTIME)" if is_partitioned else "cast(null as timestamp)",
        kept="(_PARTITIONTIME >= @since or _PARTITIONTIME is null)" if is_partitioned else "true",
    )


@dataclass(frozen=True)
class Share:
    """What is read of one table of an export day for one billing account.

    `micros` are of cost. `usage` are the days of use that are read, first and last of each range;
    None is all of them.
    """

    table: str
    account: str
    rows: int
    newest: datetime
    micros: int
    first_partition: datetime | None
    last_partition: datetime | None
    usage: tuple[tuple[date, date], ...] | None = None
    is_partitioned: bool = True


@dataclass(frozen=True)
class Piece:
    """A share's part of one day of use. `positive` are micros of its costs above zero."""

    day: date
    usage: date
    share: Share
    positive: int


@dataclass(frozen=True, order=True)
class Range:
    """What to read of one table for some days: partitions from `first` to `last` inclusive."""

    first: datetime
    last: datetime


def first_day(selection: Selection, published: Mapping[str, str], lookback: int) -> date:
    """From which export day on to plan.

    With --from that day. Else the oldest that is known and not published, or missing between
    published ones; when there is none, `lookback` days before the newest published one, but none
    before the oldest: a history that begins on purpose goes no further back. Everything at first,
    and when a dataset or a table was added.
    """
    if selection.first is not None:
        return _begin(selection.first)
    current = sorted(
        date.fromisoformat(key) for key, fingerprint in published.items() if fingerprint
    )
    if not current or selection.last is not None or selection.force or _added(published):
        return date(1970, 1, 1)
    oldest, newest = current[0], current[-1]
    there = set(current)
    missing = [day for day in days(oldest, newest) if day not in there]
    unpublished = [
        date.fromisoformat(key) for key, fingerprint in published.items() if not fingerprint
    ]
    not_final = [date.fromisoformat(key) for key in getattr(published, "open", ())]
    again = max(oldest, newest - timedelta(days=lookback))
    return min([again, *missing, *unpublished, *not_final])


def since(day: date) -> datetime:
    """The first partition in which rows of an export day can be."""
    return max(_midnight(day) - MARGIN, datetime(1970, 1, 1, tzinfo=UTC))


def whole_history(selection: Selection, published: Mapping[str, str]) -> date:
    """The same where every export day is asked for: a history that begins on purpose stays so."""
    current = [date.fromisoformat(key) for key, fingerprint in published.items() if fingerprint]
    asked = (selection.first, selection.last, selection.force or None)
    if not current or asked != (None, None, None) or _added(published):
        return first_day(selection, published, 0)
    return min(date.fromisoformat(key) for key in published)  # also what was listed and failed


def without_earlier(
    by_day: Mapping[date, list[Share]], selection: Selection, published: Mapping[str, str]
) -> dict[date, list[Share]]:
    """Of days before the oldest published one only what was added, unless more is asked for."""
    added = _added(published)
    current = [date.fromisoformat(key) for key, fingerprint in published.items() if fingerprint]
    if not added or not current or selection.force or selection.first or selection.last:
        return dict(by_day)
    found = {}
    for day, several in by_day.items():
        is_earlier = day < min(current)
        own = [
            each
            for each in several
            if not is_earlier or any(is_of(name, each.table, each.account) for name in added)
        ]
        if own or not is_earlier:
            found[day] = own
    return found


def _added(published: Mapping[str, str]) -> frozenset[str]:
    found: frozenset[str] = getattr(published, "added", frozenset())
    return found


def shares(table: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[date, Share]]:
    """The answer of `plan`. Rows without a time of export belong to no day."""
    for row in rows:
        if row["export_date"] is not None:
            yield row["export_date"], _share(table, row)


def pieces(table: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Piece]:
    """The answer of `plan` by day of use."""
    for row in rows:
        if row["export_date"] is not None:
            yield Piece(
                row["export_date"], row["usage_date"], _share(table, row), row["positive"] or 0
            )


def _share(table: str, row: Mapping[str, Any]) -> Share:
    return Share(
        table=table,
        account=row["billing_account_id"] or "",
        rows=row["row_count"],
        newest=row["newest"],
        micros=row["micros"] or 0,
        first_partition=row["first_partition"],
        last_partition=row["last_partition"],
        is_partitioned=row.get("is_partitioned", True),
    )


def accounts_in_several(found: Iterable[tuple[date, Share]]) -> dict[str, set[str]]:
    """Billing accounts that more than one table has rows of, and these tables."""
    tables = defaultdict(set)
    for _, share in found:
        tables[share.account].add(share.table)
    return {account: several for account, several in tables.items() if len(several) > 1}


def expired(by_day: Mapping[date, Any], start: date, published: Mapping[str, str]) -> list[date]:
    """Published days with rows that no table has any more: what is published of them stays."""
    return [day for day in with_rows(published) if day >= start and day not in by_day]


def with_rows(published: Mapping[str, str]) -> list[date]:
    """Published days that have rows, oldest first."""
    return sorted(
        date.fromisoformat(key)
        for key, fingerprint in published.items()
        if fingerprint not in ("", NONE)
    )


def partitions(
    by_day: Mapping[date, Sequence[Share]], start: date, published: Mapping[str, str]
) -> list[Partition]:
    """One partition per calendar day from `start` on, oldest first.

    A day without rows between others is a partition of no rows and is not looked for again. A
    published day that the tables no longer have is not among them: it stays as it is. A day that
    they have, but none of whose rows are read, is in `by_day` with no share, and becomes empty.
    """
    known = {date.fromisoformat(key) for key in published}
    every = sorted(day for day in known | by_day.keys() if day >= start)
    if not every:
        return []
    gone = set(expired(by_day, start, published))
    wanted = (day for day in days(every[0], every[-1]) if day not in gone)
    return [partition_of(day, by_day.get(day)) for day in wanted]


def range_of(several: Iterable[Share]) -> Range | None:
    """The partitions in which rows lie; None where all are still in the buffer."""
    found = [each for each in several if each.first_partition and each.last_partition]
    if not found:
        return None
    return Range(
        min(each.first_partition for each in found if each.first_partition),
        max(each.last_partition for each in found if each.last_partition),
    )


def merged(ranges: Iterable[Range | None]) -> list[Range]:
    """The same partitions in as few ranges as can be: neighbouring days become one."""
    made: list[Range] = []
    for each in sorted(filter(None, ranges)):
        if made and each.first <= made[-1].last + timedelta(days=1):
            made[-1] = Range(made[-1].first, max(made[-1].last, each.last))
        else:
            made.append(each)
    return made


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def partition_of(day: date, found: Sequence[Share] | None) -> Partition:
    """A day as it is read of its tables; None where none has rows of it."""
    several = found or ()
    # the table is part of it, so that another choice of export is another delivery
    summaries = [
        (f"{each.table} {each.account}", f"{each.newest.isoformat()} {each.micros}", each.rows)
        for each in several
    ]
    return Partition(
        key=day.isoformat(),
        fingerprint=fingerprint(summaries),
        delivered_at=max((each.newest for each in several), default=_midnight(day)),
        files=len({each.table for each in several}),
        bytes=0,  # known once it is landed
        has_moved=found is not None and all(each.usage is not None for each in several),
        detail=tuple(several),
    )


NONE = fingerprint(())
"""The fingerprint of a day without rows."""


def _begin(text: str) -> date:
    """The first day of 2026, 2026-10 or 2026-10-31."""
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text)
    try:
        if found:
            return date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        pass
    raise ConfigurationError(f"--from {text}: gcp's partitions are days, such as 2026-10-31.")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
