"""Hourly tables by month and name: a closed month is read once, the open one every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from pipelines.core.landing import Landing
from pipelines.core.partition import ALL, Delivery, Partition, Selection
from pipelines.providers.deribit.calendar import first_day
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.reference.landing import land
from pipelines.providers.deribit.settings import DeribitSettings

Hours = Mapping[int, Mapping[str, float | None]]
"""Values by the milliseconds of their hour."""


def schema(named: str, values: Sequence[str]) -> pa.Schema:
    """The columns of such a table: the name, the time, and the values."""
    return pa.schema(
        [
            pa.field(named, pa.string()),
            pa.field("measured_at", pa.timestamp("us", "UTC")),
            *(pa.field(value, pa.float64()) for value in values),
        ]
    )


@dataclass(frozen=True)
class Month:
    """The `detail` of a partition: name of currency or instrument, hours, published content."""

    name: str
    span: Span
    is_closed: bool
    published: str | None

    @property
    def state(self) -> str:
        """`open` or `closed`, the beginning of the fingerprint."""
        return "closed-" if self.is_closed else "open-"


class Monthly:
    """The configured names of one table. `read` asks for a month of one; `columns` are landed."""

    def __init__(
        self,
        source_name: str,
        columns: pa.Schema,
        settings: DeribitSettings,
        names: Sequence[str],
        read: Callable[[Market, Month], Hours],
    ) -> None:
        self.source_name, self.columns, self.settings, self.names = (
            source_name,
            columns,
            settings,
            names,
        )
        self._read = read

    @cached_property
    def market(self) -> Market:
        """Reached only when something is configured."""
        return Market(self.settings)

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """A month of a name each."""
        if not self.names:
            return []
        return plan(self.settings, self.market.now(), self.names, selection, published)

    def rows(self, month: Month) -> Iterator[dict[str, Any]]:
        """The raw rows of a month, by hour, ascending."""
        named = self.columns.names[0]
        for at, values in sorted(self._read(self.market, month).items()):
            moment = datetime.fromtimestamp(at / 1000, UTC)
            yield {named: month.name, "measured_at": moment, **values}

    def land(self, landing: Landing) -> Delivery:
        """The month as one landed file. Raises Unchanged when it is published already."""
        month: Month = landing.partition.detail
        rows = list(self.rows(month))
        return land(self.source_name, landing, self.columns, rows, month.published, month.state)


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
            current = published.get(key, "")
            closed = now >= end + timedelta(hours=settings.settle_hours)
            span = Span(milliseconds(start), milliseconds(min(end, now)) - 1)
            month = Month(name, span, closed, None if selection.force else current or None)
            fingerprint = current if current.startswith("closed-") else ""
            found.append(Partition(key, fingerprint, min(end, now), 1, 0, month))
        start = end
    return found
