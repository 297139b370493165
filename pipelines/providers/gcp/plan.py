"""What each export has, asked of BigQuery: one aggregate query per table.

By export day where every billing account is in one table; by day of use, too, and over the whole
history, where several tables have rows of one account.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from pipelines.bigquery.errors import NoSuchColumn
from pipelines.bigquery.jobs import Jobs
from pipelines.core.partition import ConfigurationError, Selection
from pipelines.providers.gcp import days, months
from pipelines.providers.gcp.days import Piece, Share
from pipelines.providers.gcp.exports import Export, in_several

log = logging.getLogger(__name__)

ByDay = dict[date, list[Share]]


class Planner:
    """Asks exports what they have; knows which of them have no partitions."""

    def __init__(self, jobs: Jobs, lookback: int) -> None:
        self._jobs, self._lookback = jobs, lookback
        self._whole: set[str] = set()  # tables that are read whole
        self._foreign: set[str] = set()  # that are no billing export

    def by_day(
        self, exports: list[Export], selection: Selection, published: Mapping[str, str]
    ) -> tuple[ByDay, date]:
        """What is to be read of each export day, and the first day that this is about."""
        start = days.first_day(selection, published, self._lookback)
        several = in_several(exports)
        if not several:
            early = months.before_filled(start)
            found = [each for export in exports for each in self._shares(export, early)]
            by_day: ByDay = defaultdict(list)
            for day, share in found:
                if day >= start:
                    by_day[day].append(share)
            several = bool(days.accounts_in_several(found))
            is_moved = months.begins_later(found, early, published)
            if not several and not is_moved and not days.expired(by_day, start, published):
                return self._some(by_day, exports), start
        begin = days.whole_history(selection, published)
        every = [each for export in exports for each in self._pieces(export)]
        return self._some(months.shares(every, published), exports), begin

    def _some(self, by_day: ByDay, exports: list[Export]) -> ByDay:
        if exports and self._foreign >= {each.table for each in exports}:
            raise ConfigurationError(
                f"sources.gcp: {', '.join(sorted(self._foreign))} is Google's FOCUS export, which "
                "the source focus reads. Name the standard or the detailed export for gcp."
            )
        return by_day

    def _shares(self, export: Export, start: date) -> Iterator[tuple[date, Share]]:
        yield from days.shares(export.table, self._rows(export.table, start, by_usage=False))

    def _pieces(self, export: Export) -> Iterator[Piece]:
        whole = date(1970, 1, 1)
        yield from days.pieces(export.table, self._rows(export.table, whole, by_usage=True))

    def _rows(self, table: str, start: date, *, by_usage: bool) -> Iterable[Mapping[str, Any]]:
        if table in self._foreign:
            return []
        parameters: dict[str, Any] = {"day": start}
        is_partitioned = table not in self._whole
        if is_partitioned:
            parameters["since"] = days.since(start)
        sql = days.plan(table, by_usage=by_usage, is_partitioned=is_partitioned)
        try:
            found = self._jobs.rows(sql, parameters, table)
            with self._jobs.explained(table):
                rows = list(found)
        except NoSuchColumn as error:
            self._learn(table, error)
            return self._rows(table, start, by_usage=by_usage)
        return rows if is_partitioned else [{**row, "is_partitioned": False} for row in rows]

    def _learn(self, table: str, error: NoSuchColumn) -> None:
        """What a table is that has not the columns of an export's table."""
        names = {field.name.lower() for field in self._jobs.schema(table)}
        if {"billedcost", "chargeperiodstart"} <= names:
            log.warning("gcp: %s is Google's FOCUS export: the source focus reads it", table)
            self._foreign.add(table)
        elif error.column == "_PARTITIONTIME" and table not in self._whole:
            log.warning(
                "gcp: %s is a view, or a copy without partitions by the time of ingestion: it is "
                "read, but slower, since each query scans all of it",
                table,
            )
            self._whole.add(table)
        else:
            raise error
