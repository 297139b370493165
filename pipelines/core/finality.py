"""Which published partitions are final: those that were read after the provider's last change.

The moment of the last reading lies with the data, per partition and member of the scope: an account
or a dataset of the configuration. A partition is final when every configured member of it was read
late enough. Any other is read again by the next plain run, after a pause of any length, and so is
every partition that an added member was never read for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

import pyarrow as pa

from pipelines.core.months import after, start_of
from pipelines.core.partition import Run
from pipelines.core.partition import now as current_time

_DAY = timedelta(days=1)

Moments = Mapping[str, datetime]
"""When each member of the scope was last read; the member is '' where a source has none."""


NEVER = datetime.fromtimestamp(0, UTC)
"""Noted of a member that has no rows left in a partition: it counts as never read."""


@runtime_checkable
class Calendar(Protocol):
    """What a source knows of its partitions without asking the provider."""

    @property
    def scope(self) -> tuple[str, ...]:
        """The configured members, such as accounts; none when nothing is configured."""

    @property
    def lookback_days(self) -> int:
        """How many days after its end the provider still changes a partition."""

    def now(self) -> datetime:
        """The clock by which partitions are read."""


@dataclass(frozen=True)
class ByLookback:
    """A source whose provider changes a partition for some days after its end."""

    scope: tuple[str, ...]
    lookback_days: int
    clock: Callable[[], datetime] = current_time

    def now(self) -> datetime:
        """The moment of a reading that begins now."""
        return self.clock()


class Readings(Protocol):
    """What a destination knows of one raw table's readings, and of what they brought."""

    def noted(self) -> dict[str, dict[str, datetime]]:
        """The noted moments by partition."""

    def delivered(self, column: str) -> dict[str, dict[str, datetime]]:
        """By partition when it was delivered, for each member that `column` names.

        Without a column the member is '' and the moment that of loading.
        """

    def note(self, moments: Mapping[str, Moments]) -> None:
        """Remember that partitions were read, whether that changed anything or not."""

    def note_run(self, run: Run) -> None:
        """Remember that a run ended, whether it found anything new or not: the heartbeat."""

    def counts(self) -> Mapping[str, int]:
        """The raw rows of each published partition."""

    def rows(self, partition: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The published raw rows of a partition."""

    def values(self, partition: str, columns: Sequence[str]) -> set[tuple[str, ...]]:
        """The distinct texts of columns in a published raw partition; NULL is ''."""


def moments_of(
    readings: Readings, published: Iterable[str], column: str
) -> Mapping[str, Mapping[str, datetime]]:
    """When each published partition was read.

    Versions before 0.2 noted nothing: there the delivery is the reading, of the members that the
    rows name. A member without rows may not have been configured then, and is read again.
    """
    noted = readings.noted()
    if all(key in noted for key in published):
        return noted
    return readings.delivered(column) | noted


def final_from(calendar: Calendar, key: str) -> datetime:
    """The provider changes nothing in a month or a day from this moment on."""
    if len(key) == len("2026-10"):
        end = datetime.fromtimestamp(start_of(after(key)), UTC)
    else:
        end = datetime.fromisoformat(key[: len("2026-10-31")]).replace(tzinfo=UTC) + _DAY
    return end + calendar.lookback_days * _DAY


def is_final(calendar: Calendar, key: str, moments: Moments) -> bool:
    """Whether every configured member was read after the last change of the partition."""
    end = final_from(calendar, key)
    return all(name in moments and moments[name] >= end for name in calendar.scope)


def describe(calendar: Calendar, key: str, moments: Moments) -> str:
    """For people: final or open since when, and members that were never read or were removed."""
    scope = calendar.scope or tuple(name for name, at in moments.items() if at != NEVER)
    read = [moments[name] for name in scope if name in moments]
    unread = [name for name in scope if name and name not in moments]
    is_closed = bool(read) and min(read) >= final_from(calendar, key)
    parts = ["final" if is_closed and not unread else _since(read)]
    if unread:
        parts.append(f"{', '.join(unread)} not read yet")
    if removed := removed_from(calendar, moments):
        parts.append(f"{', '.join(removed)} kept but not configured")
    return ", ".join(parts)


def removed_from(calendar: Calendar, moments: Moments) -> list[str]:
    """The members that a partition was read for and that are no longer configured."""
    if not calendar.scope:
        return []
    return sorted(n for n, at in moments.items() if n and n not in calendar.scope and at != NEVER)


def added_to(calendar: Calendar, moments: Mapping[str, Moments]) -> frozenset[str]:
    """The configured members that no partition was read for; none where no reading names any.

    A reading without a name is of a version that noted none: it may have been of any of them.
    """
    read = {n for found in moments.values() for n, at in found.items() if n and at != NEVER}
    return frozenset(calendar.scope) - read if read else frozenset()


def _since(read: list[datetime]) -> str:
    return f"open since {min(read):%Y-%m-%d}" if read else "open"
