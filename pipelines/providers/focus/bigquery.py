"""FOCUS rows of a table or view in BigQuery, such as Google's own FOCUS export.

A billing period is the month of BillingPeriodStart in UTC. One aggregate query tells which periods
there are; a period is new when its rows, its costs or its newest `x_ExportTime` are, and complete
when that is older than `settle_minutes`. Each period is then read by a query of its own.

google-labels-as-tags   Google's export has labels in columns of its own and no Tags: they are its
                        tags. A resource's label goes before a tag, and that before the project's
                        label; system labels say what a machine is, and are left out.

docs/focus.md says why. Source: Google, "Structure of FOCUS data export".
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipelines.bigquery.errors import Reader
from pipelines.bigquery.jobs import LEAST, Jobs, price, size
from pipelines.bigquery.opening import open_jobs
from pipelines.core.partition import (
    Changed,
    Partition,
    PartitionError,
    Selection,
    fingerprint,
)
from pipelines.providers.focus.deliveries import Terms
from pipelines.providers.focus.queries import COSTS, Columns, columns_of, planned, query
from pipelines.providers.focus.reading import merged_tags, typed
from pipelines.providers.focus.settings import FocusExport, table_of

log = logging.getLogger(__name__)

LABELS = ("x_labels", "x_tags", "x_project_labels")
"""What google-labels-as-tags reads, the first that has a key decides."""


@dataclass(frozen=True)
class Period:
    """What a plan hands to its landing: of which table, which month, how many rows, and whether
    they tell when they were exported."""

    export: str
    table: str
    month: str
    rows: int
    is_timed: bool


@dataclass
class FocusTable:
    """One export: a table or view, and what it holds now. `jobs` opens no connection."""

    export: str
    table: str
    settings: FocusExport
    jobs: Jobs
    _columns: Columns | None = None
    _to_read: list[Period] = field(default_factory=list)

    def partitions(
        self, terms: Terms, selection: Selection, published: Mapping[str, str]
    ) -> list[Partition]:
        """One Partition per complete month, oldest first. Raises UserError."""
        found = [self._partition(row, terms) for row in self._months(selection)]
        complete = sorted((each for each in found if each), key=lambda each: each.key)
        self._to_read = [
            each.detail
            for each in complete
            if each.key in selection
            and (selection.force or published.get(each.key) != each.fingerprint)
        ]
        return complete

    def _months(self, selection: Selection) -> list[Mapping[str, Any]]:
        sql, parameters = planned(self.table, self.columns(), selection)
        found = self.jobs.rows(sql, parameters, self.table)
        with self.jobs.explained(self.table):
            rows = list(found)
        scanned = size(found.total_bytes_processed or 0)
        log.info(
            "focus %s: BigQuery scanned %s to see which months there are", self.export, scanned
        )
        if undated := sum(row["row_count"] for row in rows if row["month"] is None):
            raise PartitionError(
                f"focus {self.export}: {self.table} has {undated:,} rows without "
                "BillingPeriodStart, which belong to no month. Correct the view, or leave them out."
            )
        return rows

    def _partition(self, row: Mapping[str, Any], terms: Terms) -> Partition | None:
        key, newest = f"{row['month']}@{self.export}", row["newest"]
        if newest is not None and newest + terms.settle > terms.now:
            log.warning("focus %s: not complete yet; left for later", key)
            return None
        sums = [str(row[name]) for name in (*COSTS, "newest")]
        identity = [(self.table, "\t".join(sums), row["row_count"]), ("", terms.provider, 0)]
        return Partition(
            key=key,
            fingerprint=fingerprint(identity),
            delivered_at=newest or terms.now,
            files=1,
            bytes=0,
            detail=Period(
                self.export, self.table, row["month"], row["row_count"], newest is not None
            ),
        )

    def columns(self) -> Columns:
        """The table's. Raises PartitionError unless it is FOCUS."""
        if self._columns is None:
            self._columns = columns_of(self.jobs.schema(self.table), self.table)
        return self._columns

    def read(self, period: Period) -> Iterator[pa.Table]:
        """A month's rows in the columns of the contract, an empty table first, which shows them.

        Raises Changed when the plan has other rows, ConfigurationError when the months that are to
        be read would scan more than the limit.
        """
        self._refuse_too_much()
        columns, where = self.columns(), f"{self.table}, {period.month}"
        sql, parameters = query(self.table, columns, period.month)
        found = self.jobs.result(sql, parameters, where, period.rows)
        if found.count != period.rows:
            raise Changed(f"{where} had {period.rows:,} rows and now has {found.count:,}")
        yield _typed(columns.schema.empty_table())
        with self.jobs.explained(where):
            for table in found.tables(columns.schema):
                yield _typed(table)

    def scanned(self, periods: Iterable[Period]) -> int:
        """Bytes that BigQuery bills for reading these months; asking costs nothing."""
        total = 0
        for period in periods:
            sql, parameters = query(self.table, self.columns(), period.month)
            total += max(self.jobs.bytes_of(sql, parameters, self.table), LEAST)
        return total

    def estimate(self, periods: Sequence[Period]) -> str:
        """What reading them would scan and cost, in one line."""
        scanned = self.scanned(periods)
        cost, per_tib = price(scanned, self.settings.price_per_tib), self.settings.price_per_tib
        return (
            f"focus {self.export}: BigQuery would scan {size(scanned)}, about {cost:,.4f} USD at "
            f"{per_tib} USD per TiB"
        )

    def _refuse_too_much(self) -> None:
        """Before the first month after a plan: may all of them be read?"""
        wanted, self._to_read = self._to_read, []
        if not self.jobs.maximum_bytes or not wanted:
            return
        per_tib = self.settings.price_per_tib
        scanned = self.scanned(wanted)
        self.jobs.refuse_too_much(f"focus {self.export}", len(wanted), scanned, per_tib)


def open_table(name: str, section: str, settings: FocusExport) -> FocusTable:
    """The table of an export, by its configuration. Raises ConfigurationError."""
    reader = Reader("focus", section, f"{section}.bucket_url", "months")
    jobs = open_jobs(settings.credentials, settings, reader)
    return FocusTable(name, table_of(settings.bucket_url, section), settings, jobs)


def _typed(table: pa.Table) -> pa.Table:
    """The rows in the contract's types, with the tags of Google's labels."""
    batches = [typed(table.column_names, each) for each in table.to_batches()]
    if not batches:
        empty = pa.RecordBatch.from_pylist([], table.schema)
        batches = [typed(table.column_names, empty)]
    found = pa.Table.from_batches(batches)
    labels = [name for name in LABELS if name in found.column_names]
    if "tags" in found.column_names or not labels:
        return found
    return found.append_column("tags", merged_tags([found[name] for name in labels]))
