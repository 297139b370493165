"""The exports in a bucket, recognised from its listing alone: which periods, which objects.

Layouts (AWS Data Exports user guide, "Understanding export delivery"; CUR user guide,
"Understanding your report versions"):

    data export   <export>/data/BILLING_PERIOD=2026-10/[<execution>/]<export>-00001.snappy.parquet
                  <export>/metadata/BILLING_PERIOD=2026-10/[<execution>/]<export>-Manifest.json
    legacy csv    <report>/20261001-20261101/[<assembly>/]<report>-00001.csv.gz
                  (the first period of an account begins on its first day, such as 20261015)
                  <report>/20261001-20261101/<report>-Manifest.json
    legacy parquet  <report>/<report>/year=2026/month=10/<report>-00001.snappy.parquet

A manifest is written after the data files, so an execution without one is not complete. Those of
the artefacts for Redshift and QuickSight (`<report>-RedshiftManifest.json`) are not the report's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from pipelines.buckets.objects import Object
from pipelines.core.partition import ConfigurationError

_DELIVERING = timedelta(days=1)
_DATA = re.compile(
    r"^(?P<root>.*?)(?:^|/)data/BILLING_PERIOD=(?P<year>\d{4})-(?P<month>\d{2})/"
    r"(?:(?P<run>[^/]+)/)?[^/]+\.(?:parquet|csv\.gz)$",
    re.IGNORECASE,
)
_METADATA = re.compile(
    r"^(?P<root>.*?)(?:^|/)metadata/BILLING_PERIOD=(?P<year>\d{4})-(?P<month>\d{2})/"
    r"(?:(?P<run>[^/]+)/)?(?:[^/]*[^/a-z])?Manifest\.json$",
    re.IGNORECASE,
)
_LEGACY_PARQUET = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?:(?P<report>[^/]+)/)?year=(?P<year>\d{4})/month=(?P<month>\d{1,2})/"
    r"(?P<run>)[^/]+\.parquet$",
    re.IGNORECASE,
)
_LEGACY = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?P<year>\d{4})(?P<month>0[1-9]|1[0-2])[0-3]\d-\d{8}/"
    r"(?:(?P<run>[^/]+)/)?(?:[^/]+(?P<data>\.csv\.gz)|(?:[^/]*[^/a-z])?Manifest\.json)$",
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

    def awaits_manifest(self, period: Period) -> bool:
        """Whether AWS is still delivering a period that has none yet.

        A month before the newest that has one was copied in without its metadata, and so was one
        whose files are a day older than the newest manifest.
        """
        with_manifest = [other for other in self.periods.values() if other.manifests]
        if period.manifests or not period.data or not with_manifest:
            return False
        if period.key < max(other.key for other in with_manifest):
            return False
        manifests = [item for other in with_manifest for item in other.manifests.values()]
        newest_file = max(item.modified for items in period.data.values() for item in items)
        return max(item.modified for item in manifests) - newest_file < _DELIVERING


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
            run = match["run"] or ""
            if match["data"]:
                period.data[run].append(item)
            elif run not in period.manifests or period.manifests[run].modified < item.modified:
                period.manifests[run] = item  # of a month that was first begun on another day
    _join_manifests_beside_the_report(exports)
    with_data = {name: export for name, export in exports.items() if _has_data(export)}
    return dict(sorted((with_data or exports).items()))


def choose(exports: dict[str, Export], wanted: str | None, url: str) -> Export:
    """The export that configuration names, or the only one. Raises ConfigurationError else."""
    if not exports:
        raise ConfigurationError(
            f"{url}: no AWS export found. Expected <export>/data/BILLING_PERIOD=YYYY-MM/… "
            "(CUR 2.0 or FOCUS as parquet or csv.gz) or a Cost and Usage Report as parquet or "
            ".csv.gz. Check the prefix in SOURCES__AWS__BUCKET_URL; a new export needs up to 24 "
            "hours for its first delivery."
        )
    known = {name_of(export, url): export for export in exports.values()}
    if wanted is None:
        if len(exports) > 1:
            raise ConfigurationError(
                f"{url} holds {len(exports)} exports: {', '.join(known)}. Two of one payer would "
                "count the same cost twice: name one in SOURCES__AWS__EXPORT, or of each payer "
                'account one, as ["one","another"].'
            )
        return next(iter(exports.values()))
    wanted = wanted.strip("/")
    found = [e for name, e in known.items() if wanted in (name, name.rsplit("/", 1)[-1])]
    if wanted in known:
        return known[wanted]
    if len(found) != 1:
        raise ConfigurationError(
            f"{url}: {'several exports are' if found else 'no export is'} called {wanted!r}. "
            f"Set SOURCES__AWS__EXPORT to one of: {', '.join(known)}."
        )
    return found[0]


def name_of(export: Export, url: str) -> str:
    """Its path below the bucket URL; of one that is the URL's own folder, that folder's name."""
    return export.name or url.rstrip("/").rsplit("/", 1)[-1]


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


def _join_manifests_beside_the_report(exports: dict[str, Export]) -> None:
    """A legacy parquet report has its data one folder deeper than its manifests.

    Seen from the report's own folder the data is of an export by its name, the manifests are not.
    """
    bare = exports.get("")
    reports = [e for e in exports.values() if e.kind == "legacy parquet" and e.name]
    if bare and not _has_data(bare) and len(reports) == 1 and "/" not in reports[0].name:
        for key, period in bare.periods.items():
            reports[0].periods.setdefault(key, Period(key)).manifests |= period.manifests
        del exports[""]


def _has_data(export: Export) -> bool:
    return any(period.data for period in export.periods.values())
