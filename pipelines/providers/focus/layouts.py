"""How providers lay out FOCUS files, recognised from a listing alone.

    azure       <export>/20261001-20261031/[<time>/]<run>/part_0_0001.csv.gz and manifest.json
    oci         FOCUS Reports/2026/10/05/<number>.csv.gz: each file adds rows to its month
    databricks  billing_period=2026-10/part-00000-tid-….snappy.parquet, _started_…, _committed_…
    generic     billing_period=2026-10/…, 2026-10/…, year=2026/month=10/…, or …2026-10….csv

Sources: Microsoft Cost Management, "Create and manage exports"; Oracle, "Cost reports overview";
Databricks, "Transactional writes to cloud storage with DBIO". In a generic layout every file below
the folder of a period is part of it. Spark writes `_SUCCESS` into a folder that is whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.buckets.objects import Object
from pipelines.core.partition import ConfigurationError

AZURE, OCI, DATABRICKS, GENERIC = "azure", "oci", "databricks", "generic"
LAYOUTS = (AZURE, OCI, DATABRICKS, GENERIC)

_DATA = re.compile(r"\.(parquet|csv|csv\.gz)$", re.IGNORECASE)
_MONTH = r"(?P<year>20\d{2})-?(?P<month>0[1-9]|1[0-2])"
_AZURE = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?P<first>\d{8})-(?P<last>\d{8})/(?:(?P<run>.+)/)?(?P<file>[^/]+)$"
)
_OCI = re.compile(
    r"^(?P<root>.*?)(?:^|/)(?P<year>20\d{2})/(?P<month>0[1-9]|1[0-2])/(?P<day>[0-3]\d)/[^/]+$"
)
_GENERIC = tuple(
    re.compile(rf"^(?P<root>.*?)(?:^|/){pattern}$", re.IGNORECASE)
    for pattern in (
        rf"billing_?period(?:_?start)?={_MONTH}[^/]*/(?P<rest>.+)",
        r"year=(?P<year>20\d{2})/month=(?P<month>0?[1-9]|1[0-2])/(?P<rest>.+)",
        rf"{_MONTH}/(?P<rest>.+)",
        rf"(?P<rest>[^/]*?(?<!\d){_MONTH}(?!\d)[^/]*)",
    )
)
_AWS = re.compile(r"(^|/)((?i:metadata/billing_period)|data/BILLING_PERIOD)=20\d{2}-\d{2}/")
_TABLE = re.compile(r"(^|/)(_delta_log/|metadata/[^/]+\.metadata\.json$)")
_MARKS = re.compile(r"^_(?P<kind>started|committed)_(?P<transaction>\d+)$")


@dataclass
class Run:
    """One delivery of a period: its files, and the manifest of those that write one.

    `started` and `committed` are DBIO's marks by transaction. `days` is how many it covers.
    """

    name: str = ""
    days: int = 31
    data: list[Object] = field(default_factory=list)
    manifest: Object | None = None
    started: dict[str, Object] = field(default_factory=dict)
    committed: dict[str, Object] = field(default_factory=dict)

    @property
    def counting(self) -> list[Object]:
        """The files but those of transactions that were never committed, as of a job that died."""
        open_ones = [f"-tid-{name}-" for name in self.started.keys() - self.committed.keys()]
        return [each for each in self.data if not any(name in each.key for name in open_ones)]


@dataclass
class Export:
    """What a listing shows of one export. `root` is its folder below the bucket URL.

    `success` is Spark's `_SUCCESS` by folder; `others` are data files of no period.
    """

    layout: str
    root: str
    periods: dict[str, dict[str, Run]] = field(default_factory=lambda: defaultdict(dict))
    success: dict[str, Object] = field(default_factory=dict)
    others: list[Object] = field(default_factory=list)

    @property
    def has_manifests(self) -> bool:
        """Whether any period has one; a copied bucket may hold the data alone."""
        return any(run.manifest for runs in self.periods.values() for run in runs.values())

    def run(self, period: str, name: str = "", days: int = 31) -> Run:
        """A delivery of a period, which is empty at first."""
        return self.periods[period].setdefault(name, Run(name, days))


def recognise(objects: Iterable[Object], layout: str | None, url: str, variables: str) -> Export:
    """The one export in a listing. `layout` is the configured one; None means recognise it.

    Raises ConfigurationError when there is none, when there are several, and for AWS's own.
    """
    listed = list(objects)
    if any(_AWS.search(item.key) for item in listed):
        raise ConfigurationError(
            f"{url} is an export of AWS's Data Exports, with AWS's own manifests. Load it with the "
            "source aws: set SOURCES__AWS__BUCKET_URL to it."
        )
    if any(_TABLE.search(item.key) for item in listed):
        raise ConfigurationError(
            f"{url} is a table of Delta or Iceberg: files that it replaced still lie there, and "
            "their cost would be counted twice. Write its rows as parquet by billing_period."
        )
    exports: dict[str, Export] = {}
    likely = layout or _likely(listed)
    unsorted = [item for item in listed if not _sort_in(item, likely, exports)]
    others = [item for item in unsorted if is_data(item.key)]
    found = {root: each for root, each in exports.items() if _has_data(each)} or exports
    if len(found) > 1:
        raise ConfigurationError(
            f"{url} holds {len(found)} exports: {', '.join(n or '.' for n in sorted(found))}. Name "
            "each in SOURCES__FOCUS__EXPORTS, and give it a bucket_url that ends with its folder."
        )
    if not found:
        raise ConfigurationError(
            f"{url}: no FOCUS files found. Expected Azure's, OCI's or Databricks' folders, or "
            f"billing_period=2026-10/….parquet (.csv, .csv.gz). Check {variables}__BUCKET_URL"
            + (f"; {others[0].key} names no month." if others else ".")
        )
    export = next(iter(found.values()))
    export.others = others
    return export


def is_data(key: str) -> bool:
    """Whether a file holds rows, by its name."""
    return bool(_DATA.search(key)) and not key.rsplit("/", 1)[-1].startswith(("_", "."))


def _likely(listed: list[Object]) -> str:
    """The layout that most data files are in; a manifest or a mark decides at once."""
    names = [item.key.rsplit("/", 1)[-1] for item in listed]
    if any(_MARKS.match(name) for name in names):
        return DATABRICKS
    data = [item.key for item in listed if is_data(item.key)]
    for layout, pattern in ((AZURE, _AZURE), (OCI, _OCI)):
        if data and 2 * sum(bool(pattern.match(key)) for key in data) > len(data):
            return layout
    return AZURE if "manifest.json" in names and not data else GENERIC


def _sort_in(item: Object, layout: str, exports: dict[str, Export]) -> bool:
    """Put an object into its export; False when it is of none."""
    if layout == AZURE:
        return _sort_azure(item, exports)
    if layout == OCI:
        if not (match := _OCI.match(item.key)) or not is_data(item.key):
            return False
        month = f"{match['year']}-{match['month']}"
        _export(exports, OCI, match["root"]).run(month).data.append(item)
        return True
    return _sort_generic(item, layout, exports)


def _sort_azure(item: Object, exports: dict[str, Export]) -> bool:
    match = _AZURE.match(item.key)
    if not match:
        return False
    first, last = match["first"], match["last"]
    if first[:6] != last[:6]:
        return False  # of several months: no month's delivery
    days = int(last[6:]) - int(first[6:]) + 1
    month = f"{first[:4]}-{first[4:6]}"
    name = f"{first}-{last}/{match['run'] or ''}".rstrip("/")
    export = _export(exports, AZURE, match["root"])
    if match["file"].lower() in ("manifest.json", "_manifest.json"):
        export.run(month, name, days).manifest = item
    elif is_data(item.key):
        export.run(month, name, days).data.append(item)
    else:
        return False
    return True


def _sort_generic(item: Object, layout: str, exports: dict[str, Export]) -> bool:
    folder, _, name = item.key.rpartition("/")
    mark = _MARKS.match(name)
    is_mark = bool(mark) or name == "_SUCCESS"
    match = next((found for each in _GENERIC if (found := each.match(item.key))), None)
    if name == "_SUCCESS":
        root = match["root"] if match else folder
        _export(exports, layout, root).success[folder] = item
        return True
    if not match or not (is_mark or is_data(item.key)):
        return False
    month = f"{match['year']}-{int(match['month']):02d}"
    run = _export(exports, layout, match["root"]).run(month)
    if mark:
        marks = run.started if mark["kind"] == "started" else run.committed
        marks[mark["transaction"]] = item
    else:
        run.data.append(item)
    return True


def _export(exports: dict[str, Export], layout: str, root: str) -> Export:
    root = root.strip("/")
    return exports.setdefault(root, Export(layout, root))


def _has_data(export: Export) -> bool:
    return any(
        run.data or run.manifest for runs in export.periods.values() for run in runs.values()
    )
