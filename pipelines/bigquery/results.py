"""A query's result and the way its rows come: by the Storage Read API, else as REST pages.

A result of few rows comes with the query's answer. For a larger one a session is opened on the
table in which BigQuery keeps the result; where that is refused before the first row (no right
bigquery.readsessions.create, no way for gRPC), one line says so, and the rest of the run reads
pages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
from google.cloud.bigquery import QueryJob
from google.cloud.bigquery.table import RowIterator

from pipelines.bigquery import errors, rows
from pipelines.bigquery.errors import last, told
from pipelines.core.partition import PartitionError

if TYPE_CHECKING:
    from pipelines.bigquery.storage import Reader

log = logging.getLogger(__name__)

FEW = 1_000
"""Rows that come with the query's answer: as JSON some two megabytes, sooner than a session."""


class Storage:
    """The Storage Read API, for as long as it is not refused. `open` makes what reads it."""

    def __init__(
        self,
        open: Callable[[], Reader] | None,  # noqa: A002 (as its module)
        of: errors.Reader,
    ) -> None:
        self._open, self._of = open, of

    def serves(self, count: int) -> bool:
        """Whether so many rows are to be read by it."""
        return self._open is not None and count > FEW

    @cached_property
    def reader(self) -> Reader:
        """What reads it. Raises ValueError where it was refused."""
        if self._open is None:
            raise ValueError("the Storage Read API is not used")
        return self._open()

    def refused(self, error: Exception) -> None:
        """Say why, once, and use it no more."""
        from pipelines.bigquery.storage import fix  # gRPC: only who needs it

        self._open = None
        log.warning(
            "%s: BigQuery's Storage Read API cannot be used (%s): %s are read as REST pages, "
            "which takes longer. %s, or set %s.storage_api = false.",
            self._of.source,
            told(last(error)),
            self._of.periods,
            fix(error),
            self._of.section,
        )

    def examined(self, job: QueryJob) -> tuple[str, str]:
        """What keeps a query's result from being read, and the fix; nothing when it can be read."""
        from pipelines.bigquery.storage import fix

        error = self.reader.refusal(job)
        return (told(last(error)), fix(error)) if error else ("", "")


@dataclass(frozen=True)
class Result:
    """The rows of a query that has ended; with `storage` they are read by it. `job` looks the query
    up again."""

    found: RowIterator
    storage: Storage | None
    job: Callable[[], QueryJob]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.found.total_rows or 0)

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Every row once, in no order. Raises PartitionError when BigQuery sends another number."""
        came = 0
        for table in self._tables(schema):
            came += table.num_rows
            yield table
        if came != self.count:
            raise PartitionError(
                f"BigQuery has {self.count:,} rows of the query and sent {came:,}. The published "
                "partition stays; run again."
            )

    def _tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        if self.storage is None or not self.storage.serves(self.count):
            yield from rows.tables(self.found, schema)
            return
        from pipelines.bigquery.storage import REFUSALS

        job = self.job()
        with closing(self.storage.reader.batches(job)) as read:
            try:
                first = next(read, None)
            except REFUSALS as error:
                self.storage.refused(error)
                yield from rows.tables(job.result(), schema)
                return
            for batch in chain([] if first is None else [first], read):
                yield rows.of_batch(batch, schema)
