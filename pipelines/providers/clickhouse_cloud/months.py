"""Which months of usage there are, and which of them may still change: what a fingerprint says.

A record changes until it is `locked`. So a month is final when every record of it is, and it was
read some days after its end, when its last records are there: <digest>-final. Until then it is
<digest>-open-20261117, with the day from which records may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from pipelines.core.months import after, between, month_of, start_of
from pipelines.core.partition import Partition, Selection

_FINAL = "final"
_ONE = timedelta(days=1)


def days_of(month: str) -> tuple[date, date]:
    """The first and the last day of a month: never more than the 31 that may be asked for."""
    end = datetime.fromtimestamp(start_of(after(month)), UTC).date()
    return date.fromisoformat(f"{month}-01"), end - _ONE


def open_from(
    month: str, days: Iterable[tuple[date, bool]], read_at: datetime, settle_days: int
) -> date | None:
    """The day from which records may change, by the days of records and whether each is locked."""
    _, last = days_of(month)
    unlocked = [day for day, is_locked in days if not is_locked]
    if unlocked:
        return min(unlocked)
    settled = last + settle_days * _ONE
    return min(last, read_at.date()) if read_at.date() <= settled else None


def fingerprint(digest: str, since: date | None) -> str:
    """Content and state of a month."""
    return f"{digest}-{_FINAL}" if since is None else f"{digest}-open-{since:%Y%m%d}"


def is_final(fingerprint: str) -> bool:
    """Whether only --from or --force reads the month again."""
    return fingerprint.endswith(f"-{_FINAL}")


def finality(fingerprint: str, partition: str) -> str:
    """What a published month is, for people."""
    if is_final(fingerprint):
        return _FINAL
    since = fingerprint.rpartition("-open-")[2]
    return f"open from {since[:4]}-{since[4:6]}-{since[6:]}" if since != fingerprint else "open"


def plan(
    first: str, read_at: datetime, selection: Selection, published: Mapping[str, str]
) -> list[Partition]:
    """Every selected month, oldest first. A final one is as it is published, unless it is asked
    for; of others only reading tells."""
    earliest = min([first, *published])
    found = [month for month in between(earliest, month_of(read_at)) if month in selection]
    return [
        Partition(month, _known(published.get(month, ""), selection), read_at, files=1, bytes=0)
        for month in found
    ]


def _known(published: str, selection: Selection) -> str:
    return published if is_final(published) and not selection.is_asking else ""
