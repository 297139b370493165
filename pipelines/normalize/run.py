"""Normalise partitions with changed raw data, publish each whole, and keep marts and history.

For the filesystem destination; on ClickHouse the load itself publishes normalised rows. A partition
is current when the footer of its file names the fingerprint of the raw delivery and the recipe (the
rules' version and the configured tag columns) that made it, and that of its daily rows names both,
too. Whatever a killed run left undone after that (mart, history) is made good by the next one.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import pyarrow as pa

from pipelines.core.digests import hex_digest
from pipelines.core.partition import (
    ConfigurationError,
    Delivery,
    PartitionError,
    Progress,
    Selection,
    UserError,
    now,
    seconds_of,
)
from pipelines.core.registry import normalizer
from pipelines.destinations.filesystem.store import LocalStore, Store
from pipelines.destinations.layout import RawTable
from pipelines.tables import categories, daily
from pipelines.tables.raw_tables import linked_marts
from pipelines.tables.schema import Context, ShapeError, cost_columns
from pipelines.tables.shapes import arrow_shape
from pipelines.tables.sources import COST_SOURCES, SOURCES

if TYPE_CHECKING:
    from pipelines.normalize.batches import Totals

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What a run did: partitions normalised, those that were to be, and the errors."""

    stale: list[str] = field(default_factory=list)
    normalized: list[str] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)


def tag_columns() -> tuple[str, ...]:
    """`[normalize] tag_columns`. Raises ConfigurationError when two keys give one column."""
    keys = tuple(dlt.config.get("normalize.tag_columns", list) or ())
    try:
        cost_columns(keys)
    except ValueError as error:
        raise ConfigurationError(f"normalize.tag_columns in .dlt/config.toml: {error}") from error
    return keys


def recipe(source_name: str, keys: Sequence[str]) -> str:
    """Changes when the rules or the configured tags do: then every partition is made anew."""
    parts: list[object] = [source_name, SOURCES[source_name].version, list(keys)]
    if source_name in COST_SOURCES:
        parts.append(daily.VERSION)
    if source_name == "stripe" and (own := categories.configured()):
        parts.append(own)
    text = json.dumps(parts)
    return hex_digest([text], 16)


def normalize(
    raw_table: RawTable,
    store: Store,
    selection: Selection,
    progress: Progress,
    dry_run: bool = False,
) -> Outcome:
    """Normalise every selected partition of a source that is not current.

    The caller holds the source's lock. Errors of single partitions are in the outcome.
    """
    store.recover(raw_table)
    keys = tag_columns()
    wanted = recipe(raw_table.source_name, keys)
    footers = store.footers(raw_table)
    daily_footers = (
        store.daily_footers(raw_table) if raw_table.source_name in COST_SOURCES else footers
    )
    outcome = Outcome()
    for partition, delivery in store.deliveries(raw_table).items():
        if partition not in selection:
            continue
        made = [found.get(partition) for found in (footers, daily_footers)]
        if not selection.force and all(_is_current(each, delivery, wanted) for each in made):
            if not dry_run:
                _complete(raw_table, store, partition, footers[partition])
            continue
        outcome.stale.append(partition)
        if dry_run:
            continue
        try:
            _normalize_partition(raw_table, store, delivery, keys, wanted, progress)
            outcome.normalized.append(partition)
        except UserError as error:
            outcome.failed[partition] = error
            progress.failed(raw_table.source_name, partition, error)
    return outcome


def _is_current(footer: Mapping[str, str] | None, delivery: Delivery, wanted: str) -> bool:
    return (
        footer is not None
        and footer.get("fingerprint") == delivery.fingerprint
        and footer.get("recipe") == wanted
    )


def _normalize_partition(
    raw_table: RawTable,
    store: Store,
    delivery: Delivery,
    keys: tuple[str, ...],
    wanted: str,
    progress: Progress,
) -> None:
    started = time.monotonic()
    source_name, partition = raw_table.source_name, delivery.partition
    progress.start(source_name, partition, delivery.rows)
    target, metadata = store.target(source_name), _metadata(delivery, wanted)
    days = store.target(source_name) if source_name in COST_SOURCES else None
    totals = _normalize_files(raw_table, store, delivery, keys, target, days, metadata, progress)
    delivery = delivery.took("normalise", time.monotonic() - started)
    written, made = sum(path.stat().st_size for path in (target, days) if path), time.monotonic()
    if days:  # first: whoever finds the normalised file current finds its days
        store.publish_file(days, store.mart(daily.NAME, source_name, partition))
    store.publish_file(target, store.normalized(raw_table, partition))
    delivery = delivery.took("publish", time.monotonic() - made)
    took = _took(delivery) | {"written_bytes": str(written)}
    _complete(raw_table, store, partition, metadata | totals.metadata() | took)
    seconds = time.monotonic() - started
    line = f"{source_name} {partition}: {totals.rows_out:,} rows normalised, {seconds:.1f} s"
    progress.done(source_name, partition, line)


def _normalize_files(
    raw_table: RawTable,
    store: Store,
    delivery: Delivery,
    keys: tuple[str, ...],
    target: Path,
    days: Path | None,
    metadata: Mapping[str, str],
    progress: Progress,
) -> Totals:
    # pandas is imported only when there is something to normalise
    from pipelines.normalize.batches import normalize_files
    from pipelines.normalize.reading import RawFile

    source_name, partition = raw_table.source_name, delivery.partition
    context = Context(partition, delivery.fingerprint, delivery.load_id, keys, delivery.layout)
    rules = normalizer(source_name)
    files = [RawFile(path, _opener(store, path)) for path in store.raw_files(raw_table, delivery)]
    try:
        shape = arrow_shape(source_name, keys)
        tell = progress.advance
        return normalize_files(
            files, target, rules, context, tell, metadata, shape, days, delivery.rows
        )
    except ShapeError as error:
        raise PartitionError(f"{source_name} {partition}: {error}") from error
    except FileNotFoundError as error:
        raise PartitionError(
            f"{source_name} {partition}: {error.filename or error} is listed in _delivery.json but "
            f"missing. Load it again: {_again(source_name, partition)}"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise PartitionError(
            f"{source_name} {partition}: its raw files cannot be read ({error}). Load it again: "
            f"{_again(source_name, partition)}"
        ) from error


def _again(source_name: str, partition: str) -> str:
    return f"python -m pipelines load {source_name} --from {partition} --to {partition} --force"


def _metadata(delivery: Delivery, wanted: str) -> dict[str, str]:
    return {
        "recipe": wanted,
        "word": delivery.source_name,
        "partition": delivery.partition,
        "files": str(len(delivery.files)),
        "bytes": str(delivery.bytes),
        "delivered_at": delivery.delivered_at.isoformat(),
        "published_at": now().isoformat(),
        "load_id": delivery.load_id,
        "read_bytes": str(delivery.bytes),
    } | _took(delivery)


def _took(delivery: Delivery) -> dict[str, str]:
    """The seconds of its steps, as a footer has them."""
    return {name: str(s) for name, s in seconds_of(delivery.seconds).items() if s is not None}


def _opener(store: Store, path: str) -> Path | Callable[[], Any]:
    return Path(path) if isinstance(store, LocalStore) else partial(store.fs.open, path, "rb")


def _complete(raw_table: RawTable, store: Store, partition: str, footer: Mapping[str, str]) -> None:
    """Publish into the marts and add to the history what is not there yet."""
    published = store.normalized(raw_table, partition)
    for name in linked_marts(raw_table.source_name):
        target = store.mart(name, raw_table.source_name, partition)
        if not store.is_same(published, target):
            store.publish_again(published, target, raw_table.source_name)
    row = _history_row(footer)
    known = store.rows_of_history(raw_table.source_name, partition)
    if not known or known[-1]["published_at"] != row["published_at"]:
        store.add_to_history(row)


def _history_row(footer: Mapping[str, str]) -> dict[str, Any]:
    """A `deliveries` row from what the published file says of itself."""
    return {
        "word": footer["word"],
        "partition": footer["partition"],
        "fingerprint": footer["fingerprint"],
        "files": int(footer["files"]),
        "bytes": int(footer["bytes"]),
        "rows": int(footer["rows"]),
        "billed": _number(footer["billed"]),
        "effective": _number(footer["effective"]),
        "billing_currency": footer["billing_currency"] or None,
        "recipe": footer["recipe"],
        "delivered_at": datetime.fromisoformat(footer["delivered_at"]),
        "published_at": datetime.fromisoformat(footer["published_at"]),
        "load_id": footer.get("load_id") or None,
        **{name: _number(footer.get(name, "")) for name in seconds_of({})},
        **{name: _whole(footer.get(name, "")) for name in ("read_bytes", "written_bytes")},
    }


def _number(text: str) -> float | None:
    return float(text) if text else None


def _whole(text: str) -> int | None:
    return int(text) if text else None
