"""Which days there are to load, and what a fingerprint says of a published one.

A fingerprint is a state, a digest of the content, its number of trades, and since when:

    open-…-1200             read before the day was over: read again by every run
    open-…-1200-20261122    over, but not proven complete since that day: read again by every run
    holes-…-1200-20261122   not proven within `retry_holes_days`: read again with --force only
    closed-…-1200-20261122  proven complete on that day

What has no date was not proven by anybody and is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    published: str = ""
    force: bool = False
    accept_shrunk: bool = False


@dataclass(frozen=True)
class DayFingerprint:
    """A fingerprint taken apart; `since` is the day of the proof, or of the first doubt."""

    state: str = ""
    digest: str = ""
    rows: int = 0
    since: date | None = None

    @classmethod
    def of(cls, fingerprint: str) -> DayFingerprint:
        """The inverse of `text`; one without number or date was written before there were any."""
        state, digest, rows, since = [*fingerprint.split("-"), "", "", "", ""][:4]
        day = datetime.strptime(since, "%Y%m%d").replace(tzinfo=UTC).date() if since else None
        return cls(state, digest, int(rows or 0), day)

    @property
    def text(self) -> str:
        """The fingerprint: state, digest, rows and, where known, the first day of doubt."""
        known = f"{self.state}-{self.digest}-{self.rows}"
        return f"{known}-{self.since:%Y%m%d}" if self.since else known

    @property
    def is_final(self) -> bool:
        """Whether only --force reads it again."""
        return self.state in ("closed", "holes") and self.since is not None


def finality(fingerprint: str) -> str:
    """What a published day is, for people: final, open, or a hole."""
    current = DayFingerprint.of(fingerprint)
    if current.is_final:
        return "final" if current.state == "closed" else f"hole since {current.since}"
    return f"open since {current.since}" if current.since else "open"


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
    if not is_over(read_at, asked.day, settings):
        return replace(read, state="open")
    if before.state == "closed" and before.is_final and before.digest == read.digest:
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
    for currency in settings.currencies:
        own = _published_days(currency, published)
        first = first_day(settings, now, selection)
        if own and not (selection.first or settings.first_day):
            first = min(first, max(own) + ONE)  # after a pause, however long
        found |= {(day, currency) for day in days(first, now.date())}
        found |= {(day, currency) for day, fingerprint in own.items() if not fingerprint.is_final}
    return [
        _partition(now, selection, published, currency, day)
        for day, currency in sorted(found)
        if key(currency, day) in selection
    ]


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
    now: datetime,
    selection: Selection,
    published: Mapping[str, str],
    currency: str,
    day: date,
) -> Partition:
    name = key(currency, day)
    current = published.get(name, "")
    asked = Asking(currency, day, current, selection.force, selection.accept_shrunk)
    fingerprint = current if DayFingerprint.of(current).is_final else ""
    return Partition(name, fingerprint, delivered_at(now, day), 1, 0, asked)


def is_over(read_at: datetime, day: date, settings: DeribitSettings) -> bool:
    """Whether no more trades of a day are to come."""
    return read_at >= start_of(day + ONE) + timedelta(hours=settings.settle_hours)
