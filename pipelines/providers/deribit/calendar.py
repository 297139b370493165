"""Which days there are to load, and what a fingerprint says of a published one.

A fingerprint is a state and a digest of the content:

    open-…    read while trades could still come
    holes-…   closed, but some sequence numbers could not be had: read again for some days
    closed-…  read when all was there: never again, but with --force
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipelines.core.partition import ConfigurationError, Partition, Selection
from pipelines.providers.deribit.settings import DeribitSettings

ONE = timedelta(days=1)
FIRST = date(2016, 1, 1)
"""Deribit opened in the middle of 2016."""


@dataclass(frozen=True)
class Asking:
    """What a partition's `detail` holds: what to read, and what is published of it."""

    currency: str
    day: date
    published: str | None


def key(currency: str, day: date) -> str:
    """The partition: `2026-10-31.BTC`."""
    return f"{day:%Y-%m-%d}.{currency}"


def state(read_at: datetime, day: date, holes: bool, settings: DeribitSettings) -> str:
    """What a day that was read then is."""
    if not _is_closed(read_at, day, settings):
        return "open"
    return "holes" if holes else "closed"


def plan(
    settings: DeribitSettings, now: datetime, selection: Selection, published: Mapping[str, str]
) -> list[Partition]:
    """Every selected day until today, oldest first."""
    return [
        _partition(settings, now, selection, published, currency, day)
        for day in days(first_day(settings, now, selection), now.date())
        for currency in sorted(settings.currencies)
        if key(currency, day) in selection
    ]


def first_day(settings: DeribitSettings, now: datetime, selection: Selection) -> date:
    """`--from`, else the configured first day, else some days back."""
    named = selection.first or settings.first_day
    if not named:
        return now.date() - settings.lookback_days * ONE
    parts = [*named.partition(".")[0].split("-"), "01", "01"][:3]
    try:
        found = date(*(int(part) for part in parts))
    except ValueError as error:
        raise ConfigurationError(
            f"{named!r} is no day of the calendar. Write it as 2026-01-31."
        ) from error
    return max(found, FIRST)


def days(first: date, last: date) -> Iterator[date]:
    """Both inclusive."""
    return (first + n * ONE for n in range((last - first).days + 1))


def start_of(day: date) -> datetime:
    """Its first instant, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def delivered_at(read_at: datetime, day: date) -> datetime:
    """When the last of a day could come: the end of it, or the moment of reading."""
    return min(read_at, start_of(day + ONE))


def to_read(partitions: Sequence[Partition], selection: Selection) -> list[Partition]:
    """Those whose content a run asks for."""
    return [p for p in partitions if not p.fingerprint or selection.force]


def _partition(
    settings: DeribitSettings,
    now: datetime,
    selection: Selection,
    published: Mapping[str, str],
    currency: str,
    day: date,
) -> Partition:
    name = key(currency, day)
    mark = published.get(name, "")
    known, _, _ = mark.partition("-")
    old = now - start_of(day + ONE) > settings.retry_holes_days * ONE
    done = known == "closed" or (known == "holes" and old)
    asked = Asking(currency, day, None if selection.force else mark or None)
    return Partition(name, mark if done else "", delivered_at(now, day), 1, 0, asked)


def _is_closed(read_at: datetime, day: date, settings: DeribitSettings) -> bool:
    return read_at >= start_of(day + ONE) + timedelta(hours=settings.settle_hours)
