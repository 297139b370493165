"""Queries on BigQuery with their limits: how long to go on trying, and how much may be scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, cast

from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY
from google.cloud.bigquery.table import RowIterator

from pipelines.bigquery.errors import Reader, explained
from pipelines.bigquery.results import Result, Storage
from pipelines.core.partition import ConfigurationError

LEAST = 10 * 1024**2
"""Bytes that BigQuery bills a query for each table, however little it scans."""

_TYPES = {date: "DATE", datetime: "TIMESTAMP", str: "STRING"}


@dataclass
class Jobs:
    """A client and its limits. `maximum_bytes` 0 means no limit."""

    client: bigquery.Client
    reader: Reader
    maximum_bytes: int
    retry_seconds: float
    storage: Storage

    def explained(self, where: str) -> AbstractContextManager[None]:
        """Lets Google's errors say what they mean to who reads."""
        return explained(where, self.reader)

    def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any],
        where: str,
        page_size: int | None = None,
    ) -> RowIterator:
        """Run a query. BigQuery itself refuses one that would scan more than the limit."""
        with self.explained(where):
            return self.client.query_and_wait(
                sql,
                job_config=self._config(parameters),
                retry=self._retry,
                job_retry=DEFAULT_JOB_RETRY.with_timeout(self.retry_seconds),
                page_size=page_size,
            )

    def result(self, sql: str, parameters: Mapping[str, Any], where: str, expected: int) -> Result:
        """Run a query of so many rows: they are the Storage Read API's where it may be used."""
        is_for_storage = self.storage.serves(expected)
        # BigQuery answers with the first page, which nobody reads then: a row is the least of it
        found = self.rows(sql, parameters, where, page_size=1 if is_for_storage else None)
        storage = self.storage if is_for_storage else None
        return Result(found, storage, partial(self._job, found))

    def examined(self) -> tuple[str, str]:
        """What keeps the Storage Read API from being used, and the fix; else nothing."""
        job = self.client.query("select 1 as one", job_config=self._config({}), retry=self._retry)
        job.result(retry=self._retry)
        return self.storage.examined(job)

    def _job(self, found: RowIterator) -> bigquery.QueryJob:
        job = self.client.get_job(str(found.job_id), location=found.location, retry=self._retry)
        return cast("bigquery.QueryJob", job)

    def bytes_of(self, sql: str, parameters: Mapping[str, Any], where: str) -> int:
        """What a query would scan; asking costs nothing."""
        config = self._config(parameters)
        config.dry_run = True
        with self.explained(where):
            job = self.client.query(sql, job_config=config, retry=self._retry, job_retry=None)
        return int(job.total_bytes_processed or 0)

    def refuse_too_much(self, who: str, count: int, scanned: int, per_tib: float) -> None:
        """Raises ConfigurationError when reading `count` periods would scan more than the limit."""
        if not self.maximum_bytes or scanned <= self.maximum_bytes:
            return
        periods = self.reader.periods
        raise ConfigurationError(
            f"{who}: reading {count} {periods} would scan {size(scanned)} (about "
            f"{price(scanned, per_tib):,.2f} USD), more than {self.reader.section}.maximum_bytes, "
            f"{size(self.maximum_bytes)}. Nothing was read. Raise it, or load fewer {periods} at a "
            "time with --from and --to."
        )

    def schema(self, table: str) -> Sequence[bigquery.SchemaField]:
        """The table's fields, as BigQuery describes them."""
        with self.explained(table):
            found = self.client.get_table(table, retry=self._retry)
        return list(found.schema)

    def tables(self, dataset: str) -> list[str]:
        """The full names of a dataset's tables."""
        with self.explained(dataset):
            listed = list(self.client.list_tables(dataset, retry=self._retry))
        return [f"{each.project}.{each.dataset_id}.{each.table_id}" for each in listed]

    @property
    def _retry(self) -> Any:
        return DEFAULT_RETRY.with_timeout(self.retry_seconds)

    def _config(self, parameters: Mapping[str, Any]) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(use_legacy_sql=False)
        config.query_parameters = [
            bigquery.ScalarQueryParameter(name, _TYPES[type(value)], value)
            for name, value in parameters.items()
        ]
        if self.maximum_bytes:
            config.maximum_bytes_billed = self.maximum_bytes
        return config


def size(count: int) -> str:
    """Bytes for people, in the units in which BigQuery bills."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:,.1f} {unit}"


def price(scanned: int, per_tib: float) -> float:
    """The on-demand price of scanning this many bytes, in USD."""
    return scanned / 1024**4 * per_tib
