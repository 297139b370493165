"""Tables by month and name: a closed month is read once, the open one every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines.deribit.calendar import first_day
from pipelines.deribit.market import Span, milliseconds
from pipelines.deribit.settings import DeribitSettings
from pipelines.partitions import Partition, Selection


@dataclass(frozen=True)
class Month:
    """What a partition's `detail` holds."""

    name: str
    span: Span
    is_closed: bool
    published: str | None

    @property
    def state(self) -> str:
        """As the fingerprint says it."""
        return "closed-" if self.is_closed else "open-"


def plan(
    settings: DeribitSettings,
    now: datetime,
    names: Sequence[str],
    selection: Selection,
    published: Mapping[str, str],
) -> list[Partition]:
    """A partition per selected month and name until this month, oldest first."""
    found = []
    first = first_day(settings, now, selection)
    start = datetime(first.year, first.month, 1, tzinfo=UTC)
    while start <= now:
        end = (start + timedelta(days=32)).replace(day=1)
        for name in sorted(names):
            key = f"{start:%Y-%m}.{name}"
            mark = published.get(key, "")
            closed = now >= end + timedelta(hours=settings.settle_hours)
            span = Span(milliseconds(start), milliseconds(min(end, now)) - 1)
            month = Month(name, span, closed, None if selection.force else mark or None)
            fingerprint = mark if mark.startswith("closed-") else ""
            found.append(Partition(key, fingerprint, min(end, now), 1, 0, month))
        start = end
    return found
