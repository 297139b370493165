"""The deliveries of an export: which one counts in each billing period, and which files it has.

Planning needs the listing alone; the manifest is read when a period is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.buckets.objects import Bucket, Object
from pipelines.core.partition import Partition, PartitionError, fingerprint
from pipelines.providers.aws.exports import Export, Period


class NotWhole(PartitionError):
    """A delivery's manifest cannot be read as one, or names a file that is not there."""


@dataclass(frozen=True)
class Source:
    """Where a partition's rows come from: what its plan hands to its landing.

    `data` is what the listing shows of this delivery; `period` all that its manifest may name.
    """

    export: str
    kind: str
    manifest: Object | None
    data: tuple[Object, ...]
    period: tuple[Object, ...]
    older: tuple[Source, ...] = ()

    @property
    def delivered_at(self) -> datetime:
        """When AWS completed the delivery (UTC)."""
        if self.manifest:
            return self.manifest.modified
        return max(item.modified for item in self.data)


def plan(export: Export, accept_empty: bool = False) -> list[Partition]:
    """One Partition per billing period that is complete, oldest first; reads nothing.

    An execution without any file counts after those that have some, unless `accept_empty`.
    """
    found = []
    for key in sorted(export.periods):
        candidates = _deliveries(export, export.periods[key])
        if not candidates:
            continue
        if not accept_empty:
            candidates.sort(key=lambda source: not source.data)  # stable
        newest = replace(candidates[0], older=tuple(candidates[1:]))
        objects = [*newest.data, *([newest.manifest] if newest.manifest else [])]
        found.append(
            Partition(
                key=key,
                fingerprint=fingerprint((item.key, item.etag, item.size) for item in objects),
                delivered_at=newest.delivered_at,
                files=len(newest.data),
                bytes=sum(item.size for item in newest.data),
                detail=newest,
            )
        )
    return found


def incomplete(export: Export) -> list[str]:
    """Periods that have data but no manifest yet, while others have one: AWS is delivering."""
    return [key for key, period in sorted(export.periods.items()) if export.awaits_manifest(period)]


def emptied(partition: Partition) -> Object | None:
    """The manifest of a newer execution that has no file, where an older one serves instead."""
    source: Source = partition.detail
    manifests = [older.manifest for older in source.older if older.manifest and not older.data]
    newer = [m for m in manifests if not source.manifest or m.modified > source.manifest.modified]
    return newer[0] if newer and source.data else None


def expired(bucket: Bucket, partition: Partition) -> bool:
    """Whether the manifest names files, but the bucket has none of the period any more."""
    source: Source = partition.detail
    if source.period or not source.manifest:
        return False
    try:
        files_of(bucket, partition)
    except NotWhole:
        return True
    return False  # it names none: the month is empty


def files_of(bucket: Bucket, partition: Partition) -> tuple[Source, list[Object]]:
    """The data objects of a partition in the manifest's order, and the delivery they are of.

    A `create new` export falls back to the newest complete delivery. Raises
    NotWhole when a manifest is invalid or lists a file that is not in the bucket.
    """
    newest: Source = partition.detail
    problem: NotWhole | None = None
    for source in (newest, *newest.older):
        try:
            return source, _listed_by_manifest(bucket, source)
        except NotWhole as error:
            problem = problem or error
    raise problem or PartitionError(f"aws {partition.key}: nothing to load.")


def _deliveries(export: Export, period: Period) -> list[Source]:
    """The complete deliveries of a period, newest first; none while AWS is still writing."""
    everything = tuple(item for items in period.data.values() for item in items)

    def source(run: str, manifest: Object | None) -> Source:
        data = tuple(period.data.get(run, ()))
        within = data if run and export.kind == "data export" else everything
        return Source(export.name, export.kind, manifest, data, within)

    def newest_first(runs: Iterable[str], objects: Callable[[str], list[Object]]) -> list[str]:
        return sorted(runs, key=lambda run: _age(run, objects(run)), reverse=True)

    if export.awaits_manifest(period):
        return []
    if not period.manifests:
        runs = newest_first(period.data, lambda run: period.data[run])
        return [source(runs[0], None)] if runs else []
    top = period.manifests.get("")
    runs = newest_first(filter(None, period.manifests), lambda run: [period.manifests[run]])
    if top and (export.kind.startswith("legacy") or not runs):
        # a data export without runs' manifests is a copy that left them out
        return [replace(source(_assembly(period, top), top), period=everything)]
    found = [source(run, period.manifests[run]) for run in runs]
    if top and period.data.get(""):  # overwritten before (or since) it was told to create new ones
        newest = top.modified > period.manifests[runs[0]].modified
        found.insert(0 if newest else len(found), source("", top))
    return found


def _assembly(period: Period, top: Object) -> str:
    """The folder that a legacy report's top manifest speaks of: the one with an equal copy of it.

    Only for what the plan counts: which files are read is what the manifest says.
    """
    if not period.data or "" in period.data:
        return ""
    return max(
        period.data,
        key=lambda run: (
            run in period.manifests and period.manifests[run].etag == top.etag,
            max(item.modified for item in period.data[run]),
        ),
    )


def _age(run: str, objects: list[Object]) -> tuple[str, datetime]:
    """Execution folders begin with their time; where they do not, the objects' time decides."""
    stamp = run if re.match(r"\d{4}-?\d{2}-?\d{2}T", run) else ""
    return stamp, max(item.modified for item in objects)


def _listed_by_manifest(bucket: Bucket, source: Source) -> list[Object]:
    if source.manifest is None:
        return list(source.data)
    where = source.manifest.key
    try:
        document = json.loads(bucket.read(source.manifest))
    except ValueError as error:
        raise _no_manifest(where, "it is not JSON") from error
    found = document if isinstance(document, dict) else {}
    names = found.get("dataFiles", found.get("reportKeys"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _no_manifest(where, "it lists no files")
    return [_resolve(name, source, where) for name in names]


def _no_manifest(where: str, reason: str) -> NotWhole:
    return NotWhole(
        f"{where} is not a manifest of a data export or a Cost and Usage Report: {reason}. Check "
        "the export in the AWS console, or ask AWS to deliver it again."
    )


def _resolve(name: str, source: Source, manifest: str) -> Object:
    """The listed object that a manifest's entry means; a copied bucket may hold it elsewhere.

    At least folder and file must agree: every execution has a `…-00001`, and taking another
    execution's would mix two deliveries.
    """
    if not name.lower().endswith((".parquet", ".csv.gz")):
        raise NotWhole(
            f"{manifest} lists {name}: only parquet and gzipped CSV can be read. Set the export's "
            "format to Parquet, or its compression to GZIP."
        )
    parts = re.sub(r"^s3://[^/]+/", "", name).strip("/").split("/")
    for start in range(max(1, len(parts) - 1)):
        tail = "/".join(parts[start:])
        found = [o for o in source.period if o.key == tail or o.key.endswith("/" + tail)]
        if len(found) == 1:
            return found[0]
    raise NotWhole(
        f"{manifest} lists {name}, which is not in the bucket. AWS may still be delivering: run "
        "again in a few minutes; if that does not help, copy the missing file or deliver again."
    )
