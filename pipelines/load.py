"""Plan, run, publish: the one place that builds a dlt.pipeline.

A word's partitions are compared with what is published by their fingerprints, which lie with the
data; each changed one is landed, carried by one dlt load package and published whole. A partition
that fails leaves the published one as it was, and the others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dlt
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines import aws_pipeline
from pipelines.destinations import filesystem
from pipelines.destinations.layout import Place
from pipelines.destinations.store import Store
from pipelines.lock import held
from pipelines.partitions import (
    Changed,
    ConfigurationError,
    Partition,
    PartitionError,
    Progress,
    Selection,
    UserError,
    causes,
)

log = logging.getLogger(__name__)

_ATTEMPTS = 3  # a period that AWS replaces while we read it is planned again, so often


class Provider(Protocol):
    """What a source module offers for one word."""

    def partitions(self) -> list[Partition]:
        """Every partition as the provider has it now, oldest first."""


@dataclass(frozen=True)
class Word:
    """One source: where its tables lie, how to see what it has, how to land a partition."""

    place: Place
    connect: Callable[[], Any]
    source: Callable[[Any, Partition, Path, Callable[[int], None]], Any]


SOURCES: Mapping[str, Word] = {
    "aws": Word(
        place=Place("aws", aws_pipeline.DATASET, aws_pipeline.TABLE, aws_pipeline.PARTITION),
        connect=lambda: aws_pipeline.AwsExport(aws_pipeline.configuration()),
        source=aws_pipeline.aws,
    ),
}


@dataclass
class Planned:
    """One partition of a plan and why it is (or is not) to be loaded."""

    partition: Partition
    reason: str  # new, changed, forced, unchanged

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


def plan(word: str, store: Store, selection: Selection, provider: Provider) -> list[Planned]:
    """What a load of `word` would do; one listing of the provider, nothing is changed."""
    published = store.deliveries(SOURCES[word].place)

    def reason(partition: Partition) -> str:
        if partition.key not in published:
            return "new"
        if published[partition.key].fingerprint != partition.fingerprint:
            return "changed"
        return "forced" if selection.force else "unchanged"

    return [Planned(p, reason(p)) for p in provider.partitions() if p.key in selection]


def load(word: str, selection: Selection, progress: Progress) -> Outcome:
    """Load every changed partition of `word` to the filesystem destination.

    Raises Busy when another run is at work and ConfigurationError for what concerns all
    partitions; errors of single partitions are in the outcome.
    """
    store = filesystem.configured_store()
    with locked(word, store):
        store.remove_orphans(word)
        provider = SOURCES[word].connect()
        outcome = Outcome(plan(word, store, selection, provider))
        store.remember_provider(SOURCES[word].place, (p.partition for p in outcome.planned))
        run = _Run(word, store, provider, progress)
        for planned in outcome.planned:
            if planned.to_load:
                run.load_or_report(planned.partition, outcome)
    return outcome


def locked(word: str, store: Store) -> ExitStack:
    """Both locks of a run: of the destination's folder (when it is on disk) and of dlt's own."""
    stack = ExitStack()
    try:
        for path in (store.lock_file(word), _data_dir() / "locks" / f"{word}.lock"):
            if path:
                stack.enter_context(held(path, f"{word} ({path})"))
    except BaseException:
        stack.close()
        raise
    return stack


class _Run:
    """One run of one word: a dlt pipeline that starts from the destination's own state."""

    def __init__(self, word: str, store: Store, provider: Provider, progress: Progress) -> None:
        self.word, self.store, self.provider, self.progress = word, store, provider, progress
        self.entry = SOURCES[word]
        self.pipeline = _pipeline(word).drop()  # what a killed run left is planned anew

    def load_or_report(self, partition: Partition, outcome: Outcome) -> None:
        """Load one partition; an error that is its own goes into the outcome."""
        try:
            self._load(partition)
            outcome.loaded.append(partition.key)
        except ConfigurationError:
            raise
        except UserError as error:
            outcome.failed[partition.key] = error
            self.progress.failed(self.word, partition.key, error)

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
            delivery = self.store.delivery(self.entry.place, key)
            rows = delivery.rows if delivery else 0
            line = f"{self.word} {key}: {rows:,} rows, {size(partition.bytes)}, {seconds:.1f} s"
            self.progress.done(self.word, key, line)
            return
        raise PartitionError(
            f"{self.word} {key}: the provider replaced its files {_ATTEMPTS} times while they "
            "were read. Run again when the delivery is over; the published partition stays."
        )

    def _again(self, key: str) -> Partition:
        for partition in self.provider.partitions():
            if partition.key == key:
                return partition
        raise PartitionError(
            f"{self.word} {key}: the provider removed it while it was read. The published "
            "partition stays."
        )

    def _package(self, partition: Partition) -> None:
        """One dlt load package. Raises what the user or the planner has to know."""
        folder = self.store.landing(self.word)
        source = self.entry.source(self.provider, partition, folder, self.progress.advance)
        for resource in source.resources.values():
            resource.apply_hints(additional_table_hints={"x-publish": True})
            resource.add_map(lambda row: _with_place(row, self.entry.place))
        try:
            self.pipeline.run(source)
        except PipelineStepFailed as error:
            self.pipeline = self.pipeline.drop()
            raise _meant(error, f"{self.word} {partition.key}") from error


def _with_place(row: dict[str, Any], place: Place) -> dict[str, Any]:
    return row | {"recipe": row["recipe"] | {"place": asdict(place)}}


def _meant(error: PipelineStepFailed, where: str) -> Exception:
    """The error inside dlt's that says what happened."""
    found = list(causes(error))
    for kind in (Changed, UserError):
        for cause in found:
            if isinstance(cause, kind):
                return cause
    for cause in found:
        if isinstance(cause, filesystem.PublishFailed):
            return PartitionError(str(cause))
    reason = found[-1]  # dlt wraps from the outside
    text = str(reason) if isinstance(reason, OSError) else f"{type(reason).__name__}: {reason}"
    return PartitionError(
        f"{where}: {text}. The published partition stays; --debug shows where it happened."
    )


def _pipeline(word: str) -> dlt.Pipeline:
    return dlt.pipeline(
        pipeline_name=f"{word}_filesystem",
        destination=filesystem.filesystem_partitions(destination_name="filesystem"),
        dataset_name=SOURCES[word].place.dataset,
    )


def _data_dir() -> Path:
    return Path(get_dlt_pipelines_dir()).parent


def size(count: int) -> str:
    """Bytes for people: 212 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:,.1f} {unit}"


def words(names: Iterable[str]) -> list[str]:
    """The words that a command is about: the given ones, or all. Raises ConfigurationError."""
    wanted = list(names) or list(SOURCES)
    if unknown := [word for word in wanted if word not in SOURCES]:
        raise ConfigurationError(
            f"Unknown source {', '.join(unknown)}. Known: {', '.join(SOURCES)}."
        )
    return wanted
