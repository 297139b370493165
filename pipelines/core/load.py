"""Plan, run, publish.

A word's partitions are compared with what is published by their fingerprints, which lie with the
data; each changed one is landed, carried by one dlt load package and published whole. A partition
that fails leaves the published one as it was, and the others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

import dlt

from pipelines.core.landing import Landing, Plan, Provider
from pipelines.core.packages import open_pipeline, run_package
from pipelines.core.partition import (
    Changed,
    ConfigurationError,
    Delivery,
    Partition,
    PartitionError,
    Progress,
    Selection,
    Unchanged,
    UserError,
)
from pipelines.core.registry import Word
from pipelines.core.text import size
from pipelines.destinations.handover import PARTITION
from pipelines.destinations.layout import Place
from pipelines.destinations.retention import Retention

log = logging.getLogger(__name__)

_ATTEMPTS = 3  # a period that AWS replaces while we read it is planned again, so often


class Destination(Protocol):
    """What a destination offers: its Store on the filesystem, its Warehouse in ClickHouse."""

    @property
    def kind(self) -> str:
        """`filesystem` or `clickhouse`, as in the names of dlt's pipelines."""

    def locked(self, word: str) -> AbstractContextManager[None]:
        """The lock of a word's run. Raises Busy when another run has it."""

    def published(self, place: Place) -> Mapping[str, str]:
        """The fingerprint of each partition that is current."""

    def provider(self, place: Place) -> Iterable[Mapping[str, str]]:
        """What was noted of the provider: partition and fingerprint."""

    def remember_provider(self, place: Place, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, for the checks."""

    def retention(self, place: Place) -> Retention:
        """What is kept of a raw table."""

    def recover(self, place: Place) -> None:
        """Finish what a killed run left undone, and remove what it left behind."""

    def landing(self, word: str) -> Path:
        """An empty local folder in which a delivery is landed."""

    def explain(self, error: BaseException) -> str:
        """What an error that dlt met there means to a person, without a secret."""


@dataclass
class Planned:
    """One partition of a plan and why it is (or is not) to be loaded."""

    partition: Partition
    reason: str  # new, changed, forced or unchanged; "to be read" if only the content can tell
    published: str = ""  # the fingerprint that is current

    @property
    def to_load(self) -> bool:
        """Whether a run would load it."""
        return self.reason != "unchanged"


@dataclass
class Outcome:
    """What a run did: partitions loaded and left, and the errors by partition."""

    planned: list[Planned] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)


def plan(
    entry: Word, destination: Destination, selection: Selection, provider: Provider
) -> list[Planned]:
    """What a load would do; one listing of the provider, nothing is changed."""
    selection = _retained(entry, destination, selection)
    published = entry.published(destination, entry.place)

    def reason(partition: Partition) -> str:
        if not published.get(partition.key):
            return "new"
        if not partition.fingerprint:
            return "to be read"
        if published[partition.key] != partition.fingerprint:
            return "changed"
        return "forced" if selection.force else "unchanged"

    found = provider.partitions(selection, published)
    return [Planned(p, reason(p), published.get(p.key, "")) for p in found if p.key in selection]


def load(
    entry: Word, destination: Destination, selection: Selection, progress: Progress
) -> Outcome:
    """Load every changed partition of a word.

    Raises Busy when another run is at work and ConfigurationError for what concerns all
    partitions; errors of single partitions are in the outcome.
    """
    with destination.locked(entry.place.word):
        destination.recover(entry.place)
        selection = _retained(entry, destination, selection)
        provider = entry.connect()
        outcome = Outcome(plan(entry, destination, selection, provider))
        if entry.listed:
            listed = [p.partition for p in outcome.planned if p.partition.fingerprint]
            destination.remember_provider(entry.place, listed)
        run = _Run(entry, destination, provider, selection, progress)
        wanted = [planned for planned in outcome.planned if planned.to_load]
        progress.plan(entry.place.word, len(wanted), entry.unit)
        for planned in wanted:
            run.load_or_report(planned, outcome)
            progress.ended()
        run.note_unchanged()
    return outcome


def _retained(entry: Word, destination: Destination, selection: Selection) -> Selection:
    """Without --from a load begins where `prune` ended: what it removed is not new."""
    if selection.first is not None:
        return selection
    return replace(selection, first=destination.retention(entry.place).horizon().first)


class _Run:
    """One run of one word: a dlt pipeline that starts from the destination's own state."""

    def __init__(
        self,
        entry: Word,
        destination: Destination,
        provider: Provider,
        selection: Selection,
        progress: Progress,
    ) -> None:
        self.entry, self.word, self.selection = entry, entry.place.word, selection
        self.destination, self.provider, self.progress = destination, provider, progress
        self.landed: Delivery  # of the partition that was read last
        self.unchanged: list[Partition] = []  # as only reading could tell
        way = destination.kind if entry.listed else f"{destination.kind}_ingest"
        name, place = f"{entry.place.word}_{way}", entry.place
        self.pipeline = open_pipeline(name, place.dataset, destination)

    def load_or_report(self, planned: Planned, outcome: Outcome) -> None:
        """Load one partition; an error that is its own goes into the outcome."""
        partition = planned.partition
        try:
            self._load(partition)
            outcome.loaded.append(partition.key)
        except Unchanged:
            log.info("%s %s: read, unchanged", self.word, partition.key)
            self.unchanged.append(replace(partition, fingerprint=planned.published))
        except ConfigurationError:
            raise
        except UserError as error:
            outcome.failed[partition.key] = error
            self.progress.failed(self.word, partition.key, error)

    def note_unchanged(self) -> None:
        """Record partitions that an earlier run published but was killed before recording."""
        if self.unchanged and self.entry.listed:
            place = self.entry.place
            rows = self.destination.provider(place)
            noted = {row["partition"]: row["fingerprint"] for row in rows}
            missed = [p for p in self.unchanged if noted.get(p.key) != p.fingerprint]
            self.destination.remember_provider(place, missed)

    def _load(self, partition: Partition) -> None:
        started = time.monotonic()
        key = partition.key
        for attempt in range(1, _ATTEMPTS + 1):
            self.progress.start(self.word, key, partition.bytes)
            try:
                self._package(partition)
            except Changed as change:
                log.info("%s %s: %s (attempt %d)", self.word, key, change, attempt)
                partition = self._again(key)
                continue
            seconds = time.monotonic() - started
            amount = size(partition.bytes or self.landed.bytes)
            line = f"{self.word} {key}: {self.landed.rows:,} rows, {amount}, {seconds:.1f} s"
            self.progress.done(self.word, key, line)
            return
        raise PartitionError(
            f"{self.word} {key}: the provider replaced its files {_ATTEMPTS} times while they "
            "were read. Run again when the delivery is over; the published partition stays."
        )

    def _again(self, key: str) -> Partition:
        published = self.entry.published(self.destination, self.entry.place)
        for partition in self.provider.partitions(self.selection, published):
            if partition.key == key:
                self.destination.remember_provider(self.entry.place, [partition])
                return partition
        raise PartitionError(
            f"{self.word} {key}: the provider removed it while it was read. The published "
            "partition stays."
        )

    def _package(self, partition: Partition) -> None:
        """One dlt load package. Raises what the user or the planner has to know."""
        folder = self.destination.landing(self.word)

        def take(delivery: Delivery) -> None:
            """What the publishing job needs; dlt keeps it with the package, not in a table."""
            self.landed = delivery
            handed = {"place": asdict(self.entry.place), "folder": str(folder)}
            dlt.current.destination_state()[PARTITION] = handed | {"delivery": delivery.to_json()}

        landing = Landing(partition, folder, self.progress.advance, take)
        source = self.entry.source(Plan(self.provider, [landing]))
        run_package(self.pipeline, source, f"{self.word} {partition.key}", self.destination.explain)
        if self.entry.listed and self.landed.fingerprint != partition.fingerprint:
            # only its content shows what the provider has
            self.destination.remember_provider(self.entry.place, [_as_had(self.landed)])


def _as_had(delivery: Delivery) -> Partition:
    """What was landed, as the provider had it."""
    return Partition(
        delivery.partition,
        delivery.fingerprint,
        delivery.delivered_at,
        len(delivery.files),
        delivery.bytes,
    )
