"""The exports in a bucket, recognised from its listing alone: which periods, which objects.

Layouts (AWS Data Exports user guide, "Understanding export delivery"; CUR user guide,
"Understanding your report versions"):

    data export   <export>/data/BILLING_PERIOD=2026-10/[<execution>/]<export>-00001.snappy.parquet
                  <export>/metadata/BILLING_PERIOD=2026-10/[<execution>/]<export>-Manifest.json
    legacy csv    <report>/20261001-20261101/[<assembly>/]<report>-00001.csv.gz
                  <report>/20261001-20261101/<report>-Manifest.json
    legacy parquet  <report>/<report>/year=2026/month=10/<report>-00001.snappy.parquet

A manifest is written after the data files, so an execution without one is not complete.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipelines.aws.bucket import Bucket, Object
from pipelines.partitions import ConfigurationError, Partition, PartitionError, fingerprint

_DATA = re.compile(
    r"^(?P<root>.*?)(?:^|/)data/BILLING_PERIOD=(?P<year>\d{4})-(?P<month>\d{2})/"
    r"(?:(?P<run>[^/]+)/)?[^/]+\.(?:parquet|csv\.gz)$",
    re.IGNORECASE,
)
_METADATA = re.compile(
    r"^(?P<root>.*?)(?:^|/)metadata/BILLING_PERIOD=(?P<year>\d{4})-(?P<month>\d{2})/"
    r"(?:(?P<run>[^/]+)/)?[^/]*Manifest\.json$",
    re.IGNORECASE,
)
_LEGACY_PARQUET = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?:(?P<report>[^/]+)/)?year=(?P<year>\d{4})/month=(?P<month>\d{1,2})/"
    r"(?P<run>)[^/]+\.parquet$",
    re.IGNORECASE,
)
_LEGACY = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?P<year>\d{4})(?P<month>\d{2})01-\d{8}/"
    r"(?:(?P<run>[^/]+)/)?[^/]+(?P<kind>\.csv\.gz|Manifest\.json)$",
    re.IGNORECASE,
)


@dataclass
class Period:
    """One billing period of an export: its data objects and manifests by execution ('' is none)."""

    key: str
    data: dict[str, list[Object]] = field(default_factory=lambda: defaultdict(list))
    manifests: dict[str, Object] = field(default_factory=dict)


@dataclass
class Export:
    """One export (or legacy report). `name` is its path below the bucket URL."""

    name: str
    kind: str
    periods: dict[str, Period] = field(default_factory=dict)

    @property
    def has_manifests(self) -> bool:
        """Whether any period has one; a copied bucket may hold the data alone."""
        return any(period.manifests for period in self.periods.values())


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


def recognise(objects: Iterable[Object]) -> dict[str, Export]:
    """Every export in a listing, by name. Objects that belong to none are passed over."""
    exports: dict[str, Export] = {}
    for item in objects:
        if match := _DATA.match(item.key):
            _period(exports, match, "data export").data[match["run"] or ""].append(item)
        elif match := _METADATA.match(item.key):
            _period(exports, match, "data export").manifests[match["run"] or ""] = item
        elif match := _LEGACY_PARQUET.match(item.key):
            _period(exports, match, "legacy parquet").data[""].append(item)
        elif match := _LEGACY.match(item.key):
            period = _period(exports, match, "legacy csv")
            if match["kind"].lower() == ".csv.gz":
                period.data[match["run"] or ""].append(item)
            else:
                period.manifests[match["run"] or ""] = item
    return {name: export for name, export in sorted(exports.items()) if _has_data(export)}


def choose(exports: dict[str, Export], wanted: str | None, url: str) -> Export:
    """The export that configuration names, or the only one. Raises ConfigurationError else."""
    if not exports:
        raise ConfigurationError(
            f"{url}: no AWS export found. Expected <export>/data/BILLING_PERIOD=YYYY-MM/… "
            "(CUR 2.0 or FOCUS as parquet or csv.gz) or a Cost and Usage Report as parquet or "
            ".csv.gz. Check the prefix in SOURCES__AWS__BUCKET_URL; a new export needs up to 24 "
            "hours for its first delivery."
        )
    if wanted is None:
        if len(exports) > 1:
            raise ConfigurationError(
                f"{url} holds {len(exports)} exports: {', '.join(exports)}. Loading more than one "
                "would count the same cost twice: name one in SOURCES__AWS__EXPORT."
            )
        return next(iter(exports.values()))
    found = [e for name, e in exports.items() if wanted in (name, name.rsplit("/", 1)[-1])]
    if len(found) != 1:
        raise ConfigurationError(
            f"{url}: {'several exports are' if found else 'no export is'} called {wanted!r}. "
            f"Set SOURCES__AWS__EXPORT to one of: {', '.join(exports)}."
        )
    return found[0]


def plan(export: Export) -> list[Partition]:
    """One Partition per billing period that is complete, oldest first; reads nothing."""
    found = []
    for key in sorted(export.periods):
        candidates = _deliveries(export, export.periods[key])
        if not candidates:
            continue
        newest = replace(candidates[0], older=tuple(candidates[1:]))
        objects = [*newest.data, *([newest.manifest] if newest.manifest else [])]
        found.append(
            Partition(
                key=key,
                fingerprint=fingerprint((item.key, item.etag, item.size) for item in objects),
                delivered_at=_delivered_at(newest),
                files=len(newest.data),
                bytes=sum(item.size for item in newest.data),
                detail=newest,
            )
        )
    return found


def incomplete(export: Export) -> list[str]:
    """Periods that have data but no manifest yet, while others have one: AWS is delivering."""
    return [
        key for key, period in sorted(export.periods.items()) if not _deliveries(export, period)
    ]


def files_of(bucket: Bucket, partition: Partition) -> tuple[Source, list[Object]]:
    """The data objects of a partition in the manifest's order, and the delivery they are of.

    A `create new` export falls back to the newest delivery of which every file is there. Raises
    PartitionError when a manifest cannot be read or names a file that the bucket does not hold.
    """
    newest: Source = partition.detail
    problem: PartitionError | None = None
    for source in (newest, *newest.older):
        try:
            return source, _listed_by_manifest(bucket, source)
        except PartitionError as error:
            problem = problem or error
    raise problem or PartitionError(f"aws {partition.key}: nothing to load.")


def _period(exports: dict[str, Export], match: re.Match[str], kind: str) -> Period:
    groups = match.groupdict()
    root, report = groups["root"].strip("/"), groups.get("report")
    if kind == "legacy parquet" and report and root.rsplit("/", 1)[-1] != report:
        root = f"{root}/{report}".strip("/")  # not nested as <report>/<report>/year=…
    export = exports.setdefault(root, Export(root, kind))
    if kind == "legacy parquet":
        export.kind = kind  # its manifest may have been seen first
    key = f"{groups['year']}-{int(groups['month']):02d}"
    return export.periods.setdefault(key, Period(key))


def _has_data(export: Export) -> bool:
    return any(period.data for period in export.periods.values())


def _deliveries(export: Export, period: Period) -> list[Source]:
    """The complete deliveries of a period, newest first; none while AWS is still writing."""
    everything = tuple(item for items in period.data.values() for item in items)

    def source(run: str, manifest: Object | None) -> Source:
        data = tuple(period.data.get(run, ()))
        within = everything if export.kind.startswith("legacy") else data
        return Source(export.name, export.kind, manifest, data, within)

    def newest_first(runs: Iterable[str], objects: Callable[[str], list[Object]]) -> list[str]:
        return sorted(runs, key=lambda run: _age(run, objects(run)), reverse=True)

    if not export.has_manifests:
        runs = newest_first(period.data, lambda run: period.data[run])
        return [source(runs[0], None)] if runs else []
    top = period.manifests.get("")
    if top and (export.kind.startswith("legacy") or period.data.get("") or not everything):
        return [source(_assembly(period, top), top)]
    runs = newest_first(filter(None, period.manifests), lambda run: [period.manifests[run]])
    if top and not runs:  # a copy of the bucket without the executions' own manifests
        return [replace(source(_assembly(period, top), top), period=everything)]
    return [source(run, period.manifests[run]) for run in runs]


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


def _delivered_at(source: Source) -> datetime:
    if source.manifest:
        return source.manifest.modified
    return max(item.modified for item in source.data)


def _listed_by_manifest(bucket: Bucket, source: Source) -> list[Object]:
    if source.manifest is None:
        return list(source.data)
    where = f"{source.manifest.key}"
    try:
        document = json.loads(bucket.read(source.manifest))
        names = document["dataFiles"] if "dataFiles" in document else document["reportKeys"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("its list of files is not a list of text")
    except (ValueError, KeyError, TypeError) as error:
        raise PartitionError(
            f"{where} is no manifest of a data export or a Cost and Usage Report ({error!r}). "
            "Check the export in the AWS console, or deliver it again."
        ) from error
    return [_resolve(name, source, where) for name in names]


def _resolve(name: str, source: Source, manifest: str) -> Object:
    """The listed object that a manifest's entry means; a copied bucket may hold it elsewhere.

    At least folder and file must agree: every execution has a `…-00001`, and taking another
    execution's would mix two deliveries.
    """
    parts = re.sub(r"^s3://[^/]+/", "", name).strip("/").split("/")
    for start in range(max(1, len(parts) - 1)):
        tail = "/".join(parts[start:])
        found = [o for o in source.period if o.key == tail or o.key.endswith("/" + tail)]
        if len(found) == 1:
            return found[0]
    raise PartitionError(
        f"{manifest} names {name}, which the bucket does not hold. AWS may be delivering just now: "
        "run again in a few minutes; if it stays so, copy the missing file or deliver again."
    )
