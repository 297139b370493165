"""What a load would do: the provider's listing against what is published and what is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipelines.core.finality import (
    Calendar,
    Moments,
    Readings,
    added_to,
    is_final,
    moments_of,
    removed_from,
)
from pipelines.core.landing import Provider
from pipelines.core.partition import Kept, Partition, Published, Run, Selection, UserError, now
from pipelines.core.registry import Source
from pipelines.destinations.layout import RawTable
from pipelines.destinations.retention import Retention


class Destination(Protocol):
    """What a destination offers: its Store on the filesystem, its Warehouse in ClickHouse."""

    @property
    def kind(self) -> str:
        """`filesystem` or `clickhouse`."""

    def locked(self, source_name: str) -> AbstractContextManager[None]:
        """The lock of a source's run. Raises Busy when another run has it."""

    def published(self, raw_table: RawTable) -> Mapping[str, str]:
        """The fingerprint of each partition that is current."""

    def provider(self, raw_table: RawTable) -> Iterable[Mapping[str, str]]:
        """What was noted of the provider: partition and fingerprint."""

    def remember_provider(self, raw_table: RawTable, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, for the checks."""

    def retention(self, raw_table: RawTable) -> Retention:
        """What is kept of a raw table."""

    def readings(self, raw_table: RawTable) -> Readings:
        """When each partition was last read."""

    def recover(self, raw_table: RawTable) -> None:
        """Make good what a killed run left undone, and remove what it left behind."""

    def landing(self, source_name: str) -> Path:
        """An empty local folder in which a delivery is landed."""

    def explain(self, error: BaseException) -> str:
        """What an error that dlt met there means to a person, without a secret."""


@dataclass
class Planned:
    """One partition of a plan and why it is (or is not) to be loaded."""

    partition: Partition
    reason: str  # new, changed, forced, unchanged; to be read: only its content will tell
    published: str = ""  # the fingerprint that is current
    removed: tuple[str, ...] = ()  # members that it was read for and that are not configured

    @property
    def to_load(self) -> bool:
        """Whether a run would load it."""
        return self.reason != "unchanged"


@dataclass
class Outcome:
    """What a run did: partitions loaded and left, and by partition errors and what was kept."""

    planned: list[Planned] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)

    def as_run(self, entry: Source, started: datetime, *, is_whole: bool = True) -> Run:
        """The run that ends now. One that is not whole failed before it tried a partition."""
        loaded, failed, kept = len(self.loaded), len(self.failed), len(self.kept)
        return Run(
            source_name=entry.raw_table.source_name,
            command="load" if entry.listed else "ingest",
            started_at=started,
            ended_at=now(),
            outcome=("partly" if failed else "well") if is_whole else "failed",
            loaded=loaded,
            unchanged=max(0, len(self.planned) - loaded - failed - kept),
            failed=failed,
            kept=kept,
        )


def plan(
    entry: Source, destination: Destination, selection: Selection, provider: Provider
) -> list[Planned]:
    """What a load would do; one listing of the provider, nothing is changed.

    A partition that only its content can tell apart is left out once it is final, unless it is
    asked for by --from or --force.
    """
    kept = apply_retention(entry, destination, selection)
    calendar = calendar_of(entry, provider)
    published = Published(entry.published(destination, entry.raw_table))
    moments = _moments(entry, destination, calendar, published)
    published.open = frozenset(
        key
        for key, fingerprint in published.items()
        if calendar and fingerprint and not is_final(calendar, key, moments.get(key, {}))
    )

    if calendar:
        published.added = added_to(calendar, moments)

    def planned(partition: Partition) -> Planned | None:
        key, current = partition.key, published.get(partition.key, "")
        removed: list[str] = []
        if calendar:
            removed = removed_from(calendar, moments.get(key, {}))
            is_settled = current and key not in published.open
            if is_settled and not partition.fingerprint and not selection.is_asking:
                return None
        reason = _reason(partition, current, selection)
        return Planned(partition, reason, current, tuple(removed))

    listed = provider.partitions(kept, published)
    found = (planned(each) for each in listed if each.key in kept)
    return [each for each in found if each]


def _reason(partition: Partition, published: str, selection: Selection) -> str:
    if not published:
        return "new"
    if not partition.fingerprint:
        return "to be read"
    if published != partition.fingerprint:
        return "changed"
    return "forced" if selection.force else "unchanged"


def calendar_of(entry: Source, provider: Provider) -> Calendar | None:
    """By what a source knows which partitions are final; None where its fingerprints say it."""
    return provider if isinstance(provider, Calendar) else entry.calendar()


def _moments(
    entry: Source, destination: Destination, calendar: Calendar | None, published: Mapping[str, str]
) -> Mapping[str, Moments]:
    """When each published partition was read, of a source that has to know it."""
    if calendar is None:
        return {}
    return moments_of(destination.readings(entry.raw_table), published, entry.scope_column)


def apply_retention(entry: Source, destination: Destination, selection: Selection) -> Selection:
    """Without --from a load begins where `prune` ended: what it removed is not new."""
    if selection.first is not None:
        return selection
    return replace(selection, first=destination.retention(entry.raw_table).horizon().first)
