"""FOCUS of any provider, 1.0 to 1.3: files in S3, Azure Blob, Google Cloud or a folder, and tables
of BigQuery.

A partition is a billing period of an export, 2026-10@oci, and is replaced whole. Several exports
are read at once; one that cannot be listed fails by itself.
"""

from __future__ import annotations

import logging
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.buckets.landed import delivery_of
from pipelines.buckets.objects import Bucket
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything
from pipelines.core.partition import (
    ALL,
    Delivery,
    Partition,
    PartitionError,
    Selection,
    UserError,
    now,
)
from pipelines.providers.focus.deliveries import Source, Terms, files_of
from pipelines.providers.focus.deliveries import plan as plan_periods
from pipelines.providers.focus.landing import Wanted, land, land_table, version_of_delivery
from pipelines.providers.focus.layouts import recognise
from pipelines.providers.focus.settings import (
    FocusExport,
    FocusSettings,
    all_configured,
    opened,
    section,
    variables,
)

if TYPE_CHECKING:
    from pipelines.providers.focus.bigquery import FocusTable, Period

__all__ = ["CHECKED", "FocusExports", "FocusSettings", "connect", "focus"]

log = logging.getLogger(__name__)

CHECKED = pa.schema(
    [
        ("billed_cost", pa.float64()),
        ("billing_currency", pa.string()),
        ("billing_period_start", pa.timestamp("us", "UTC")),
    ]
)


class FocusExports:
    """The configured exports, and what their buckets and tables hold of them now."""

    def __init__(
        self, exports: Mapping[str, FocusExport], clock: Callable[[], datetime] = now
    ) -> None:
        self.exports, self._clock = exports, clock
        self.buckets: dict[str, Bucket] = {}
        self.tables: dict[str, FocusTable] = {}
        self.unwanted: list[str] = []

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every complete period of every export, oldest first, from one listing each.

        Raises UserError when the only export cannot be listed; one of several becomes a partition
        of this month that fails.
        """
        found: list[Partition] = []
        for name in self.exports:
            try:
                found += self.planned(name, published, selection)
            except UserError as error:
                if len(self.exports) == 1:
                    raise
                found.append(self._failing(name, error, selection, published))
        self._warn_of_others(published)
        return sorted(found, key=lambda each: each.key)

    def planned(
        self, name: str, published: Mapping[str, str], selection: Selection = ALL
    ) -> list[Partition]:
        """The complete periods of one export."""
        settings = self.exports[name]
        settle = timedelta(minutes=settings.settled_after)
        terms = Terms(name, settings.provider_name or "", settle, self._clock())
        if settings.is_table:
            return self._table(name).partitions(terms, selection, published)
        bucket = self.buckets.setdefault(name, opened(name, settings))
        export = recognise(bucket.list(), settings.layout, bucket.url, variables(name))
        for item in export.others:
            log.warning("focus: %s: %s is of no single month and is not read", name, item.key)
        return plan_periods(export, terms, published)

    def read_one(self, name: str) -> str:
        """Read the smallest object of a planned export: the right to list is not the right to
        read. Its key, or '' where there is none. Raises UserError."""
        bucket = self.buckets[name]
        objects = [each for each in bucket.list() if each.size]
        if not objects:
            return ""
        smallest = min(objects, key=lambda each: each.size)  # a manifest, where there is one
        bucket.read(smallest)
        return smallest.key

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """What BigQuery would scan to read them, and what it would charge; '' of files."""
        by_table: dict[str, list[Period]] = {}
        for each in partitions:
            if each.detail and not isinstance(each.detail, Source | UserError):
                by_table.setdefault(each.detail.export, []).append(each.detail)
        return "\n".join(self.tables[name].estimate(by_table[name]) for name in by_table)

    def _table(self, name: str) -> FocusTable:
        if name not in self.tables:
            # Google's client: only who needs it
            from pipelines.providers.focus.bigquery import open_table

            self.tables[name] = open_table(name, section(name), self.exports[name])
        return self.tables[name]

    def _failing(
        self, name: str, error: UserError, selection: Selection, published: Mapping[str, str]
    ) -> Partition:
        """The newest of its months that the command is about; landing it raises the error."""
        moment = self._clock()
        keys = {f"{moment:%Y-%m}@{name}", *(key for key in published if key.endswith(f"@{name}"))}
        selected = [key for key in sorted(keys) if key in selection]
        if not selected:
            raise error
        return Partition(selected[-1], "", moment, 0, 0, detail=error)

    def _warn_of_others(self, published: Mapping[str, str]) -> None:
        """What is published of an export that configuration does not name any more stays."""
        gone = {key: key.partition("@")[2] for key in published}
        gone = {key: name for key, name in gone.items() if name not in self.exports}
        self.unwanted = [key for key in gone if not published[key]]
        for name in sorted({name for key, name in gone.items() if published[key]}):
            log.warning(
                "focus: %s is not configured any more. What is published of it stays.", name
            )


def connect() -> FocusExports:
    """The exports that `[sources.focus]` names."""
    return FocusExports(all_configured())


@dlt.source(name="focus", section="focus", spec=FocusSettings, max_table_nesting=0)
def focus(
    exports: Sequence[str] | None = None,
    bucket_url: str | None = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[FocusExports] | None = None,
) -> DltResource:
    """Every billing period from `first` to `last` (2026-10), whole: a later load replaces it.

    `bucket_url` is the place of the only export. `plan` is the loader's: the periods it wants.
    """
    if plan is None:
        given = {"bucket_url": bucket_url} if bucket_url else {}
        plan = everything(FocusExports(all_configured(exports, **given)), first, last)
    made: DltResource = cost_and_usage(plan)
    return made


@dlt.resource(name="cost_and_usage", **HINTS)
def cost_and_usage(plan: Plan[FocusExports]) -> Iterator[Any]:
    """The rows of each period, in the columns of the contract."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "billing_period")


def _land(exports: FocusExports, landing: Landing) -> Delivery:
    partition = landing.partition
    if isinstance(partition.detail, UserError):
        raise PartitionError(str(partition.detail)) from partition.detail
    if not isinstance(partition.detail, Source):
        return _land_table(exports, landing, partition.detail)
    source = partition.detail
    bucket = exports.buckets[source.export]
    objects, rows = files_of(bucket, partition)
    wanted = Wanted(objects, rows, exports.exports[source.export].provider_name or "")
    landed = land(bucket, partition, wanted, landing.folder, landing.advance)
    version = version_of_delivery(landed, f"focus {partition.key}")
    return delivery_of(
        "focus",
        partition,
        landed,
        delivered_at=partition.delivered_at,
        layout=f"FOCUS {version}, {source.layout}",
    )


def _land_table(exports: FocusExports, landing: Landing, period: Period) -> Delivery:
    partition, path = landing.partition, landing.folder / "table"
    provider = exports.exports[period.export].provider_name or ""
    rows = exports.tables[period.export].read(period)
    version = land_table(path, rows, provider, f"focus {partition.key}: {period.table}")
    return delivered(
        "focus",
        partition.key,
        partition.fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        layout=f"FOCUS {version}, bigquery",
    )


if __name__ == "__main__":  # python pipelines/focus_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "focus", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")
