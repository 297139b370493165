"""Which days there are to load, and what a fingerprint says of a published one.

A fingerprint is a state, a digest of the content, its number of trades, and since when:

    open-…-1200             read before the day was over: read again by every run
    open-…-1200-20261122    over, but not proven complete since that day: read again by every run
    holes-…-1200-20261122   not proven within `retry_holes_days`: read again with --force only
    closed-…-1200-20261122  proven complete on that day

What has no date was not proven by anybody and is read again. A day that was read for some kinds of
instruments alone names them, as in closed-…-1200.future+option-20261122: it is read again, for
those as well, when others are configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import dlt

from pipelines.core.partition import ConfigurationError, Partition, Selection
from pipelines.providers.deribit.settings import DeribitSettings

ONE = timedelta(days=1)
FIRST = date(2016, 1, 1)
"""Deribit opened in the middle of 2016."""


ANY = ("any",)


@dataclass(frozen=True)
class Asking:
    """What a partition's `detail` holds: what to read, and what is published of it."""

    currency: str
    day: date
    published: str = ""
    force: bool = False
    accept_shrunk: bool = False
    kinds: tuple[str, ...] = ANY


@dataclass(frozen=True)
class DayFingerprint:
    """A fingerprint taken apart; `since` is the day of the proof, or of the first doubt."""

    state: str = ""
    digest: str = ""
    rows: int = 0
    since: date | None = None
    kinds: tuple[str, ...] = ANY

    @classmethod
    def of(cls, fingerprint: str) -> DayFingerprint:
        """The inverse of `text`; one without number or date was written before there were any."""
        state, digest, number, since = [*fingerprint.split("-"), "", "", "", ""][:4]
        rows, _, kinds = number.partition(".")
        day = datetime.strptime(since, "%Y%m%d").replace(tzinfo=UTC).date() if since else None
        return cls(state, digest, int(rows or 0), day, tuple(kinds.split("+")) if kinds else ANY)

    @property
    def text(self) -> str:
        """The fingerprint: state, digest, rows with kinds and, where known, the first doubt."""
        kinds = "" if self.kinds == ANY else f".{'+'.join(self.kinds)}"
        known = f"{self.state}-{self.digest}-{self.rows}{kinds}"
        return f"{known}-{self.since:%Y%m%d}" if self.since else known

    def is_of(self, kinds: Sequence[str]) -> bool:
        """Whether the day was read for all of these."""
        return self.kinds == ANY or set(kinds) <= set(self.kinds)

    @property
    def is_final(self) -> bool:
        """Whether only --force reads it again."""
        return self.state in ("closed", "holes") and self.since is not None


def finality(fingerprint: str, name: str = "") -> str:
    """What a published day is, for people: final, open or a hole, and whether it was removed."""
    said = _said(DayFingerprint.of(fingerprint))
    is_removed = name and name.partition(".")[2] not in _configured()
    return f"{said}, kept but not configured" if is_removed else said


def _configured() -> list[str]:
    found: list[str] | None = dlt.config.get("sources.deribit.currencies", list)
    return found or DeribitSettings().currencies


def _said(fingerprint: DayFingerprint) -> str:
    if fingerprint.is_final:
        return "final" if fingerprint.state == "closed" else f"hole since {fingerprint.since}"
    return f"open since {fingerprint.since}" if fingerprint.since else "open"


def key(currency: str, day: date) -> str:
    """The partition's key, such as `2026-10-31.BTC`."""
    return f"{day:%Y-%m-%d}.{currency}"


def judge(
    asked: Asking,
    read_at: datetime,
    is_complete: bool,
    read: DayFingerprint,
    settings: DeribitSettings,
) -> DayFingerprint:
    """The state of a day after it was `read`. An earlier proof of the same trades stays valid."""
    before, today = DayFingerprint.of(asked.published), read_at.date()
    read = replace(read, kinds=asked.kinds)
    if not is_over(read_at, asked.day, settings):
        return replace(read, state="open")
    is_known = before.is_of(read.kinds) and before.digest == read.digest
    if before.state == "closed" and before.is_final and is_known:
        return before
    if is_complete:
        return replace(read, state="closed", since=today)
    doubted = before.since if before.state in ("open", "holes") and before.since else today
    late = today - doubted >= settings.retry_holes_days * ONE
    return replace(read, state="holes" if late else "open", since=doubted)


def plan(
    settings: DeribitSettings, now: datetime, selection: Selection, published: Mapping[str, str]
) -> list[Partition]:
    """Every selected day until today, oldest first, and with them what is published and open."""
    found = set[tuple[date, str]]()
    known = [name.partition(".")[0] for name, fingerprint in published.items() if fingerprint]
    for currency in settings.currencies:
        own = _published_days(currency, published)
        first = first_day(settings, now, selection)
        if known and not (selection.first or settings.first_day):
            # after a pause, however long; one that was added begins as the others did
            begin = max(own) + ONE if own else date.fromisoformat(min(known))
            first = min(first, begin)
        found |= {(day, currency) for day in days(first, now.date())}
        found |= {
            (day, currency) for day, fingerprint in own.items() if _is_open(fingerprint, settings)
        }
    return [
        _partition(settings, now, selection, published, currency, day)
        for day, currency in sorted(found)
        if key(currency, day) in selection
    ]


def removed(settings: DeribitSettings, published: Mapping[str, str]) -> list[str]:
    """Currencies that are published and not configured."""
    found = {name.partition(".")[2] for name, fingerprint in published.items() if fingerprint}
    return sorted(found - set(settings.currencies))


def _is_open(fingerprint: DayFingerprint, settings: DeribitSettings) -> bool:
    return not fingerprint.is_final or not fingerprint.is_of(settings.kinds)


def _published_days(currency: str, published: Mapping[str, str]) -> dict[date, DayFingerprint]:
    names = (
        (*name.partition("."), fingerprint)
        for name, fingerprint in published.items()
        if fingerprint
    )
    return {
        date.fromisoformat(day): DayFingerprint.of(fingerprint)
        for day, _, own, fingerprint in names
        if own == currency
    }


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
            f"{named!r} is not a valid day. Write it as 2026-01-31."
        ) from error
    return max(found, FIRST)


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last, both included."""
    return (first + n * ONE for n in range((last - first).days + 1))


def start_of(day: date) -> datetime:
    """Midnight UTC of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def delivered_at(read_at: datetime, day: date) -> datetime:
    """When the last of a day could come: the end of it, or the moment of reading."""
    return min(read_at, start_of(day + ONE))


def to_read(partitions: Sequence[Partition], selection: Selection) -> list[Partition]:
    """The days that a run reads."""
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
    current = published.get(name, "")
    before = DayFingerprint.of(current)
    kinds = tuple(settings.kinds)
    if current and not before.is_of(kinds):  # what was read before stays
        kinds = ANY if kinds == ANY else tuple(sorted({*kinds, *before.kinds}))
    elif current:
        kinds = before.kinds
    asked = Asking(currency, day, current, selection.force, selection.accept_shrunk, kinds)
    fingerprint = "" if _is_open(before, settings) else current
    return Partition(name, fingerprint, delivered_at(now, day), 1, 0, asked)


def is_over(read_at: datetime, day: date, settings: DeribitSettings) -> bool:
    """Whether no more trades of a day are to come."""
    return read_at >= start_of(day + ONE) + timedelta(hours=settings.settle_hours)
