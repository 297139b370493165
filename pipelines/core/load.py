"""Plan, run, publish.

A source's partitions are compared with what is published by their fingerprints, which lie with the
data; each changed one is landed, carried by one dlt load package and published whole. A partition
that fails leaves the published one as it was, and the others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

import dlt
import pyarrow as pa

from pipelines.core.finality import NEVER
from pipelines.core.landing import Landing, Plan, Provider
from pipelines.core.packages import open_pipeline, run_package
from pipelines.core.partition import (
    Changed,
    ConfigurationError,
    Delivery,
    Kept,
    Partition,
    PartitionError,
    Progress,
    Selection,
    Unchanged,
    UserError,
    now,
)
from pipelines.core.planning import (
    Destination,
    Outcome,
    Planned,
    apply_retention,
    calendar_of,
    plan,
)
from pipelines.core.registry import Source
from pipelines.core.shrinking import refuse_shrunk
from pipelines.core.text import size
from pipelines.destinations.handover import PARTITION

__all__ = ["Destination", "Outcome", "Planned", "load", "plan"]

log = logging.getLogger(__name__)

_ATTEMPTS = 3  # a period that AWS replaces while we read it is planned again, so often


def load(
    entry: Source, destination: Destination, selection: Selection, progress: Progress
) -> Outcome:
    """Load every changed partition of a source.

    Raises Busy when another run is at work and ConfigurationError for what concerns all
    partitions; errors of single partitions are in the outcome.
    """
    started, outcome = now(), Outcome()
    readings = destination.readings(entry.raw_table)
    with destination.locked(entry.raw_table.source_name):
        try:
            _load(entry, destination, selection, progress, outcome)
        except UserError:
            with suppress(UserError, OSError):  # what it failed for may keep the note away, too
                readings.note_run(outcome.as_run(entry, started, is_whole=False))
            raise
        try:
            readings.note_run(outcome.as_run(entry, started))
        except (UserError, OSError):
            if not outcome.failed:  # else the partitions have said what keeps the note away
                raise
    return outcome


def _load(
    entry: Source,
    destination: Destination,
    selection: Selection,
    progress: Progress,
    outcome: Outcome,
) -> None:
    destination.recover(entry.raw_table)
    provider = entry.connect()
    calendar = calendar_of(entry, provider)
    moment = calendar.now() if calendar else None
    outcome.planned = plan(entry, destination, selection, provider)
    if entry.listed:
        listed = [p.partition for p in outcome.planned if p.partition.fingerprint]
        destination.remember_provider(entry.raw_table, listed)
        if unwanted := getattr(provider, "unwanted", None):
            destination.retention(entry.raw_table).forget_unwanted(unwanted)
    run = _Run(entry, destination, provider, selection, progress)
    wanted = [planned for planned in outcome.planned if planned.to_load]
    _warn_of_removed(entry, outcome.planned)
    progress.plan(entry.raw_table.source_name, len(wanted), entry.unit)
    for planned in wanted:
        run.load_or_report(planned, outcome)
        progress.ended()
    run.note_unchanged()
    if calendar and moment:  # what the listing showed to be as it is published was read by it
        read = [p.partition.key for p in outcome.planned if not p.to_load]
        run.note_readings([*read, *getattr(provider, "gone", ())], moment)


def _warn_of_removed(entry: Source, found: Iterable[Planned]) -> None:
    if removed := sorted({name for planned in found for name in planned.removed}):
        log.warning(
            "%s: %s not configured any more. What is published of it stays.",
            entry.raw_table.source_name,
            ", ".join(removed),
        )


class _Run:
    """One run of one source: a dlt pipeline that starts from the destination's own state."""

    def __init__(
        self,
        entry: Source,
        destination: Destination,
        provider: Provider,
        selection: Selection,
        progress: Progress,
    ) -> None:
        self.entry, self.source_name, self.selection = entry, entry.raw_table.source_name, selection
        self.destination, self.provider, self.progress = destination, provider, progress
        self.calendar = calendar_of(entry, provider)
        self.readings = destination.readings(entry.raw_table)
        self.counts: Mapping[str, int] | None = None  # of published rows, once they are asked for
        self.landed: Delivery  # of the partition that was read last
        self.unchanged: list[Partition] = []  # as only reading could tell
        way = destination.kind if entry.listed else f"{destination.kind}_ingest"
        name, raw_table = f"{entry.raw_table.source_name}_{way}", entry.raw_table
        self.pipeline = open_pipeline(name, raw_table.dataset, destination)

    def load_or_report(self, planned: Planned, outcome: Outcome) -> None:
        """Load one partition; an error that is its own goes into the outcome."""
        partition = planned.partition
        try:
            self._load(planned)
            outcome.loaded.append(partition.key)
        except Unchanged:
            log.info("%s %s: read, unchanged", self.source_name, partition.key)
            self.unchanged.append(replace(partition, fingerprint=planned.published))
        except Kept as kept:
            log.warning("%s", kept)
            outcome.kept[partition.key] = kept
            if kept.delivery and self.entry.listed:  # for the checks
                self.destination.remember_provider(self.entry.raw_table, [_as_had(kept.delivery)])
        except ConfigurationError:
            raise
        except UserError as error:
            outcome.failed[partition.key] = error
            self.progress.failed(self.source_name, partition.key, error)

    def note_unchanged(self) -> None:
        """Record partitions that an earlier run published but was killed before recording."""
        if self.unchanged and self.entry.listed:
            raw_table = self.entry.raw_table
            rows = self.destination.provider(raw_table)
            noted = {row["partition"]: row["fingerprint"] for row in rows}
            missed = [p for p in self.unchanged if noted.get(p.key) != p.fingerprint]
            self.destination.remember_provider(raw_table, missed)

    def note_readings(
        self, keys: Iterable[str], moment: datetime, removed: Iterable[str] = ()
    ) -> None:
        """Remember that partitions were read for every configured member.

        A removed member without rows is forgotten, such as one that was only renamed.
        """
        members = self.calendar.scope if self.calendar else ()
        if not members:
            return
        found = {
            key: dict.fromkeys(self._without_rows(key, removed), NEVER)
            | dict.fromkeys(members, moment)
            for key in keys
        }
        if found:
            self.readings.note(found)

    def _without_rows(self, key: str, members: Iterable[str]) -> set[str]:
        wanted, column = set(members), self.entry.scope_column
        if not wanted or not column:
            return set()
        tables = self.readings.rows(key, pa.schema([(column, pa.string())]))
        return wanted - {name for table in tables for name in table[column].unique().to_pylist()}

    def _load(self, planned: Planned) -> None:
        started = time.monotonic()
        partition, key = planned.partition, planned.partition.key
        for attempt in range(1, _ATTEMPTS + 1):
            self.progress.start(self.source_name, key, partition.bytes)
            try:
                self._read(partition, planned.removed)
            except Changed as change:
                log.info("%s %s: %s (attempt %d)", self.source_name, key, change, attempt)
                partition = self._again(key)
                continue
            seconds = time.monotonic() - started
            amount = size(partition.bytes or self.landed.bytes)
            line = f"{self.source_name} {key}: {self.landed.rows:,} rows, {amount}, {seconds:.1f} s"
            self.progress.done(self.source_name, key, line)
            return
        raise PartitionError(
            f"{self.source_name} {key}: the provider replaced its files {_ATTEMPTS} times while "
            "they were read. Run again when the delivery is over; the published partition stays."
        )

    def _again(self, key: str) -> Partition:
        published = self.entry.published(self.destination, self.entry.raw_table)
        selection = apply_retention(self.entry, self.destination, self.selection)
        for partition in self.provider.partitions(selection, published):
            if partition.key == key:
                self.destination.remember_provider(self.entry.raw_table, [partition])
                return partition
        raise PartitionError(
            f"{self.source_name} {key}: the provider removed it while it was read. The published "
            "partition stays."
        )

    def _read(self, partition: Partition, removed: tuple[str, ...]) -> None:
        """Publish one partition, and note when it was read even if that changed nothing."""
        moment = self.calendar.now() if self.calendar else now()
        try:
            self._package(partition, removed)
        except Unchanged:
            self.note_readings([partition.key], moment, removed)
            raise
        self.note_readings([partition.key], moment, removed)

    def _package(self, partition: Partition, removed: tuple[str, ...] = ()) -> None:
        """One dlt load package. Raises what the user or the planner has to know."""
        folder, began = self.destination.landing(self.source_name), time.monotonic()

        def take(delivery: Delivery) -> None:
            """What the publishing job needs; dlt keeps it with the package, not in a table."""
            if not partition.has_moved:
                self._refuse_shrunk(delivery)
            self.landed, landed = delivery, time.monotonic()
            dlt.current.destination_state()[PARTITION] = {
                "raw_table": asdict(self.entry.raw_table),
                "folder": str(folder),
                "delivery": delivery.took("read", landed - began).to_json(),
                "landed": landed,
            }

        rows = partial(self.readings.rows, partition.key)
        landing = Landing(
            partition, folder, self.progress.advance, take, removed, rows, self.readings.values
        )
        source = self.entry.source(Plan(self.provider, [landing]))
        run_package(
            self.pipeline, source, f"{self.source_name} {partition.key}", self.destination.explain
        )
        if self.entry.listed and self.landed.fingerprint != partition.fingerprint:
            # only its content shows what the provider has
            self.destination.remember_provider(self.entry.raw_table, [_as_had(self.landed)])

    def _refuse_shrunk(self, delivery: Delivery) -> None:
        if self.selection.accept_shrunk or not self.entry.listed:
            return
        if self.counts is None:
            self.counts = self.readings.counts()
        refuse_shrunk(self.entry.raw_table, delivery, self.counts)


def _as_had(delivery: Delivery) -> Partition:
    """What was landed, as the provider had it."""
    return Partition(
        delivery.partition,
        delivery.fingerprint,
        delivery.delivered_at,
        len(delivery.files),
        delivery.bytes,
    )
