"""Which delivery of each period counts, whether it is complete, and which files it has.

Complete is what a manifest says, what DBIO committed, what `_SUCCESS` is newer than, else a listing
whose newest file is older than `settle_minutes`. Planning reads nothing but the listing.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.buckets.objects import Bucket, Object
from pipelines.core.partition import Partition, PartitionError, fingerprint
from pipelines.providers.focus.layouts import AZURE, OCI, Export, Run

log = logging.getLogger(__name__)

_DAY = re.compile(r"-from-(\d\d)$")


class NotWhole(PartitionError):
    """A delivery's manifest cannot be read as one, or says otherwise than the bucket."""


@dataclass(frozen=True)
class Source:
    """Where a partition's rows come from: what its plan hands to its landing."""

    export: str
    layout: str
    run: Run
    older: tuple[Run, ...] = ()


@dataclass(frozen=True)
class Terms:
    """What configuration says of an export: its name, the provider's name, when a listing is
    settled, and the moment of the plan."""

    name: str
    provider: str
    settle: timedelta
    now: datetime


def plan(export: Export, terms: Terms, published: Mapping[str, str]) -> list[Partition]:
    """One Partition per month that is complete, oldest first."""
    found = [_partition(export, month, terms, published) for month in sorted(export.periods)]
    return [each for each in found if each]


def _partition(
    export: Export, month: str, terms: Terms, published: Mapping[str, str]
) -> Partition | None:
    key = f"{month}@{terms.name}"
    runs = _whole_runs(export, month, terms)
    if not runs:
        log.warning("focus %s: not complete yet; left for later", key)
        return None
    run = runs[0]
    current = published.get(key, "")
    objects = [*run.counting, *run.committed.values(), *([run.manifest] if run.manifest else [])]
    identity = fingerprint(
        [(each.key, each.etag, each.size) for each in objects] + [("", terms.provider, 0)]
    )
    if export.layout == OCI:
        first = min(each.key.rsplit("/", 2)[-2] for each in run.data)
        before = _DAY.search(current)
        if before and before[1] < first:
            log.warning("focus %s: days before %s expired; the published month stays", key, first)
            identity = current
        else:
            identity = f"{identity}-from-{first}"
    modified = [run.manifest] if run.manifest else objects
    return Partition(
        key=key,
        fingerprint=identity,
        delivered_at=max(each.modified for each in modified),
        files=len(run.counting),
        bytes=sum(each.size for each in run.counting),
        detail=Source(terms.name, export.layout, run, tuple(runs[1:])),
    )


def _whole_runs(export: Export, month: str, terms: Terms) -> list[Run]:
    """The complete deliveries of a month, the one that counts first."""
    runs = list(export.periods[month].values())
    if export.layout == AZURE and export.has_manifests:
        runs = [run for run in runs if run.manifest]
    else:
        runs = [run for run in runs if run.data and _is_complete(export, run, terms)]
    return sorted(runs, key=lambda run: (run.days, _newest(run)), reverse=True)


def _is_complete(export: Export, run: Run, terms: Terms) -> bool:
    if run.started or run.committed:
        return bool(run.committed)
    newest = _newest(run)
    folders = {item.key.rpartition("/")[0] for item in run.data}
    marks = [
        mark
        for folder, mark in export.success.items()
        if all(f"{each}/".startswith(f"{folder}/" if folder else "") for each in folders)
    ]
    if any(mark.modified >= newest for mark in marks):
        return True
    return not terms.settle or newest + terms.settle <= terms.now


def _newest(run: Run) -> datetime:
    return run.manifest.modified if run.manifest else max(each.modified for each in run.data)


def files_of(bucket: Bucket, partition: Partition) -> tuple[list[Object], dict[str, int]]:
    """The data objects of a partition, and by key how many rows its manifest says a file has.

    Falls back to an older run of Azure's when the newest is not whole. Raises NotWhole.
    """
    source: Source = partition.detail
    problem: NotWhole | None = None
    for run in (source.run, *source.older):
        try:
            found = _files(bucket, run, f"focus {partition.key}")
        except NotWhole as error:
            problem = problem or error
            continue
        if problem:
            log.warning("%s An older run is loaded instead.", problem)
        return found
    raise problem or NotWhole(f"focus {partition.key}: nothing to load.")


def _files(bucket: Bucket, run: Run, where: str) -> tuple[list[Object], dict[str, int]]:
    if run.manifest:
        pairs = list(_listed_by_azure(bucket, run, run.manifest, where))
        return [item for item, _ in pairs], {i.key: n for i, n in pairs if n is not None}
    if run.committed:
        return _committed(bucket, run, where), {}
    return sorted(run.data), {}


def _listed_by_azure(
    bucket: Bucket, run: Run, manifest: Object, where: str
) -> Iterator[tuple[Object, int | None]]:
    """The files that Azure's manifest lists, each with its rows, held against the listing."""
    document = _document(bucket, manifest, where)
    blobs = document.get("blobs")
    if not isinstance(blobs, list) or not all(isinstance(each, dict) for each in blobs):
        raise _no_manifest(manifest, where, "it lists no blobs")
    by_name = {item.key.rsplit("/", 1)[-1]: item for item in run.data}
    for blob in blobs:
        name = str(blob.get("blobName", "")).rsplit("/", 1)[-1]
        item = by_name.get(name)
        if item is None:
            raise NotWhole(
                f"{where}: {manifest.key} lists {name or 'a file without a name'}, which is not "
                "beside it. Azure may still be delivering: run again in a few minutes."
            )
        size, rows = blob.get("byteCount"), blob.get("dataRowCount")
        if isinstance(size, int) and size != item.size:
            raise NotWhole(
                f"{where}: {item.key} has {item.size:,} bytes, and its manifest says {size:,}. "
                "Azure may still be delivering: run again in a few minutes."
            )
        yield item, rows if isinstance(rows, int) else None


def _committed(bucket: Bucket, run: Run, where: str) -> list[Object]:
    """The files that DBIO's transactions added and did not remove."""
    added: set[str] = set()
    removed: set[str] = set()
    for mark in run.committed.values():
        document = _document(bucket, mark, where)
        added |= {str(name) for name in document.get("added") or ()}
        removed |= {str(name) for name in document.get("removed") or ()}
    by_name = {item.key.rsplit("/", 1)[-1]: item for item in run.data}
    wanted = sorted(added - removed)
    if missing := [name for name in wanted if name not in by_name]:
        raise NotWhole(
            f"{where}: {missing[0]} was committed and is not in the bucket. Copy the folder whole, "
            "or run the job that writes it again."
        )
    return [by_name[name] for name in wanted]


def _document(bucket: Bucket, manifest: Object, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(bucket.read(manifest))
    except ValueError as error:
        raise _no_manifest(manifest, where, "it is not JSON") from error
    if not isinstance(document, dict):
        raise _no_manifest(manifest, where, "it is not a JSON object")
    return document


def _no_manifest(manifest: Object, where: str, reason: str) -> NotWhole:
    return NotWhole(
        f"{where}: {manifest.key} is not a manifest: {reason}. Ask the provider to deliver "
        "this period again."
    )
