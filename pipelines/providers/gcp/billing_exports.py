"""The configured billing exports: what they hold, what reading it costs, and the rows of a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType

import pyarrow as pa

from pipelines.bigquery.jobs import LEAST, price, size
from pipelines.core.partition import ALL, Changed, Partition, Selection
from pipelines.providers.gcp import days
from pipelines.providers.gcp.columns import Selected, arrow_schema, selected
from pipelines.providers.gcp.days import Share
from pipelines.providers.gcp.exports import (
    Export,
    choose_exports,
    full_datasets,
    full_names,
    parse_tables,
)
from pipelines.providers.gcp.plan import Planner
from pipelines.providers.gcp.reading import Wanted, query
from pipelines.providers.gcp.settings import GcpSettings, configuration, open_jobs


class GcpExports:
    """The configured exports, and what they hold now."""

    def __init__(self, settings: GcpSettings) -> None:
        self.settings = settings
        self.project: str | None = settings.project or settings.credentials.project_id
        self.jobs = open_jobs(settings)
        self._planner = Planner(self.jobs, settings.lookback_days)
        self._columns: dict[str, list[Selected]] = {}
        self._to_read: list[Partition] = []
        self.gone: list[str] = []  # published days that no table has any more
        self.accounts: set[str] = set()  # billing accounts that are read

    def exports(self) -> list[Export]:
        """Every table of the billing accounts that are wanted. Raises ConfigurationError."""
        if self.settings.tables:
            return parse_tables(full_names(self.settings.tables, self.project))
        where = ", ".join(self.settings.datasets or ())
        return choose_exports(self.tables_of_datasets(), self.settings.accounts or (), where)

    def tables_of_datasets(self) -> list[str]:
        """Everything that lies in the configured datasets."""
        datasets = full_datasets(self.settings.datasets or (), self.project)
        return [table for dataset in datasets for table in self.jobs.tables(dataset)]

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every export day of the range, oldest first, from one aggregate query per table."""
        exports = self.exports()
        by_day, start = self._planner.by_day(exports, selection, published)
        by_day = days.without_earlier(by_day, selection, published)
        planned = days.partitions(by_day, start, published)
        self.gone = [day.isoformat() for day in days.expired(by_day, start, published)]
        self.accounts = {each.account for each in exports if each.account} | {
            share.account for several in by_day.values() for share in several
        }
        self._to_read = [
            each
            for each in planned
            if each.key in selection
            and (selection.force or published.get(each.key) != each.fingerprint)
        ]
        return planned

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """What BigQuery would scan to read them, and what it would charge for it.

        The Storage Read API reads what the queries select, no more than they scan.
        """
        scanned, settings = self._scanned(list(partitions)), self.settings
        cost = price(scanned, settings.price_per_tib)
        said = (
            f"gcp: BigQuery would scan {size(scanned)}, about {cost:,.4f} USD at "
            f"{settings.price_per_tib} USD per TiB"
        )
        if not settings.storage_api:
            return said
        cost = price(scanned, settings.storage_price_per_tib)
        return (
            f"{said}; its Storage Read API would charge at most {cost:,.4f} USD, at "
            f"{settings.storage_price_per_tib} USD per TiB read"
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
        planned = sum(each.rows for each in several)
        found = self.jobs.result(sql, parameters, f"{table}, day {day}", planned)
        if found.count != planned:
            raise Changed(f"{table} had {planned:,} rows and now has {found.count:,}")
        with self.jobs.explained(f"{table}, day {day}"):
            yield from found.tables(arrow_schema(columns))

    def refuse_too_much(self) -> None:
        """Before the first reading after a plan: may the whole of it be read?

        Raises ConfigurationError when it would scan more than the limit.
        """
        changed, self._to_read = self._to_read, []
        if not self.settings.maximum_bytes or not any(each.detail for each in changed):
            return
        per_tib = self.settings.price_per_tib
        self.jobs.refuse_too_much("gcp", len(changed), self._scanned(changed), per_tib)

    def _scanned(self, partitions: list[Partition]) -> int:
        """Bytes that BigQuery bills for reading them: a query per day and table."""
        wanted_of: dict[str, list[Wanted]] = {}
        for partition in partitions:
            for table, several in by_table(partition).items():
                day = date.fromisoformat(partition.key)
                wanted_of.setdefault(table, []).append((day, several))
        total = 0
        for table, wanted in wanted_of.items():
            sql, parameters = query(table, self.columns(table), wanted)
            scanned = self.jobs.bytes_of(sql, parameters, table)
            total += max(scanned, LEAST * len(wanted))
        return total


def connect() -> GcpExports:
    """The exports that `[sources.gcp]` names, ready to plan."""
    return GcpExports(configuration())


def by_table(partition: Partition) -> dict[str, list[Share]]:
    """What is read of each table of a day."""
    found: dict[str, list[Share]] = {}
    for share in partition.detail or ():
        found.setdefault(share.table, []).append(share)
    return found
