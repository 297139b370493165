"""GCP cost lines as Google exports them to BigQuery: the standard or the detailed billing export.

An export day is the unit: DATE(export_time), UTC. Corrections and late usage come as new rows with
nothing that identifies a row, identical ones are legal, so a day is replaced whole and never
merged. What there is, is known from one aggregate query per table over few partitions.
"""

from __future__ import annotations

import logging
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.landing import (
    CONTRACT,
    REPLACED,
    Landing,
    Plan,
    delivered,
    everything,
    write_rows,
)
from pipelines.core.partition import (
    ALL,
    Changed,
    ConfigurationError,
    Delivery,
    Partition,
    PartitionError,
    Selection,
)
from pipelines.providers.gcp import days, rows
from pipelines.providers.gcp.columns import CHECKED, EMPTY, Selected, arrow_schema, selected
from pipelines.providers.gcp.days import Share
from pipelines.providers.gcp.errors import explained
from pipelines.providers.gcp.exports import Export, chosen, full_datasets, full_names, named
from pipelines.providers.gcp.jobs import LEAST, Jobs, price
from pipelines.providers.gcp.plan import Planner
from pipelines.providers.gcp.reading import query
from pipelines.providers.gcp.settings import GcpPlaces, GcpSettings, configuration, open_client

__all__ = ["CHECKED", "GcpExports", "configuration", "connect", "gcp"]

log = logging.getLogger(__name__)


class GcpExports:
    """The configured exports, and what they hold now."""

    def __init__(self, settings: GcpSettings) -> None:
        self.settings = settings
        self.project: str | None = settings.project or settings.credentials.project_id
        self.jobs = Jobs(open_client(settings), settings.maximum_bytes, settings.retry_seconds)
        self._planner = Planner(self.jobs, settings.lookback_days)
        self._columns: dict[str, list[Selected]] = {}
        self._to_read: list[Partition] = []

    def exports(self) -> list[Export]:
        """Every table of the billing accounts that are wanted. Raises ConfigurationError."""
        if self.settings.tables:
            return named(full_names(self.settings.tables, self.project))
        where = ", ".join(self.settings.datasets or ())
        return chosen(self.tables_of_datasets(), self.settings.accounts or (), where)

    def tables_of_datasets(self) -> list[str]:
        """Everything that lies in the configured datasets."""
        datasets = full_datasets(self.settings.datasets or (), self.project)
        return [table for dataset in datasets for table in self.jobs.tables(dataset)]

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every export day of the range, oldest first, from one aggregate query per table."""
        by_day, start = self._planner.by_day(self.exports(), selection, published)
        planned = days.partitions(by_day, start, published)
        self._to_read = [
            each
            for each in planned
            if each.key in selection
            and (selection.force or published.get(each.key) != each.fingerprint)
        ]
        return planned

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """What BigQuery would scan to read them, and what it would charge."""
        scanned = self._scanned(list(partitions))
        cost = price(scanned, self.settings.price_per_tib)
        return (
            f"gcp: BigQuery would scan {_size(scanned)}, about {cost:,.4f} USD at "
            f"{self.settings.price_per_tib} USD per TiB"
        )

    def columns(self, table: str) -> list[Selected]:
        """The select list for a table. Raises PartitionError unless it is a billing export."""
        if table not in self._columns:
            self._columns[table] = selected(self.jobs.schema(table), table)
        return self._columns[table]

    def read(self, table: str, several: list[Share], day: date) -> Iterator[pa.Table]:
        """The rows of a day in one table. Raises Changed when the plan has other rows."""
        columns = self.columns(table)
        sql, parameters = query(table, columns, [(day, several)])
        found = self.jobs.rows(sql, parameters, f"{table}, day {day}")
        planned = sum(each.rows for each in several)
        if found.total_rows != planned:
            raise Changed(f"{table} had {planned:,} rows and now has {found.total_rows:,}")
        with explained(f"{table}, day {day}"):
            yield from rows.tables(found, arrow_schema(columns), lambda: self.jobs.storage)

    def refuse_too_much(self) -> None:
        """Before the first reading after a plan: may the whole of it be read?

        Raises ConfigurationError when it would scan more than the limit.
        """
        changed, self._to_read = self._to_read, []
        limit = self.settings.maximum_bytes
        if not limit or not any(each.detail for each in changed):
            return
        scanned = self._scanned(changed)
        if scanned > limit:
            cost = price(scanned, self.settings.price_per_tib)
            raise ConfigurationError(
                f"gcp: reading {len(changed)} days would scan {_size(scanned)} (about {cost:,.2f} "
                f"USD), more than sources.gcp.maximum_bytes, {_size(limit)}. Nothing was read. "
                "Raise it, or load fewer days at a time with --from and --to."
            )

    def _scanned(self, partitions: list[Partition]) -> int:
        """Bytes that BigQuery bills for reading them: a query per day and table."""
        by_table: dict[str, list[tuple[date, list[Share]]]] = {}
        for partition in partitions:
            for table, several in _by_table(partition).items():
                day = date.fromisoformat(partition.key)
                by_table.setdefault(table, []).append((day, several))
        total = 0
        for table, wanted in by_table.items():
            sql, parameters = query(table, self.columns(table), wanted)
            scanned = self.jobs.bytes_of(sql, parameters, table)
            total += max(scanned, LEAST * len(wanted))
        return total


def connect() -> GcpExports:
    """The exports that `[sources.gcp]` names, ready to plan."""
    return GcpExports(configuration())


@dlt.source(name="gcp", section="gcp", spec=GcpPlaces, max_table_nesting=0)
def gcp(
    datasets: list[str] | None = None,
    tables: list[str] | None = None,
    accounts: list[str] | None = None,
    project: str | None = None,
    credentials: Any = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[GcpExports] | None = None,
) -> DltResource:
    """Every export day from `first` to `last` (2026-10-31), whole: a later load replaces it.

    Either `datasets` or `tables`. `plan` is the loader's: the one day that it wants.
    """
    if plan is None:
        places = {"datasets": datasets, "tables": tables, "accounts": accounts, "project": project}
        plan = everything(GcpExports(configuration(credentials, **places)), first, last)
    return billing_export(plan)


@dlt.resource(
    name="billing_export",
    file_format="parquet",
    write_disposition=REPLACED,
    schema_contract=CONTRACT,
)
def billing_export(plan: Plan[GcpExports]) -> Iterator[Any]:
    """The rows of an export day, a file per table. No column of Google's is the day."""
    for landing in plan.landings:
        plan.provider.refuse_too_much()
        yield from landing.data(_land(plan.provider, landing), "export_date")


def _land(exports: GcpExports, landing: Landing) -> Delivery:
    partition, folder = landing.partition, landing.folder
    paths = _landed(exports, partition, folder, landing.advance)
    if not paths:
        paths = [folder / "empty"]
        write_rows(paths[0], EMPTY, ())
    kinds = {Export.of(table).detailed for table in _by_table(partition)}
    return delivered(
        "gcp",
        partition.key,
        partition.fingerprint,
        paths,
        delivered_at=partition.delivered_at,
        form="both" if len(kinds) == 2 else "detailed" if True in kinds else "standard",
    )


def _landed(
    exports: GcpExports, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> list[Path]:
    """A file per table that has rows of the day. Raises Changed or PartitionError."""
    day, paths = date.fromisoformat(partition.key), list[Path]()
    for number, (table, several) in enumerate(_by_table(partition).items()):
        path = folder / f"table-{number}"
        schema = arrow_schema(exports.columns(table))
        try:
            write_rows(path, schema, exports.read(table, several, day), advance)
        except pa.ArrowException as error:
            raise PartitionError(
                f"gcp {partition.key}: {table} has a value that its type cannot hold ({error}). "
                "The published partition stays."
            ) from error
        paths.append(path)
    return paths


def _by_table(partition: Partition) -> dict[str, list[Share]]:
    found: dict[str, list[Share]] = {}
    for share in partition.detail or ():
        found.setdefault(share.table, []).append(share)
    return found


def _size(count: int) -> str:
    """Bytes for people, in the units in which BigQuery bills."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:,.1f} {unit}"


if __name__ == "__main__":  # python pipelines/google_bq_incremental_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "gcp", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")
