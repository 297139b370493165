"""Queries on BigQuery with their limits: how long to go on trying, and how much may be scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY
from google.cloud.bigquery.table import RowIterator

from pipelines.providers.gcp.bigquery.errors import explained
from pipelines.providers.gcp.bigquery.rows import storage_client

LEAST = 10 * 1024**2
"""Bytes that BigQuery bills a query for each table, however little it scans."""

_TYPES = {date: "DATE", datetime: "TIMESTAMP", str: "STRING"}


@dataclass
class Jobs:
    """A client and its limits. `maximum_bytes` 0 means no limit."""

    client: bigquery.Client
    maximum_bytes: int
    retry_seconds: float

    def rows(self, sql: str, parameters: Mapping[str, Any], where: str) -> RowIterator:
        """Run a query. BigQuery itself refuses one that would scan more than the limit."""
        with explained(where):
            return self.client.query_and_wait(
                sql,
                job_config=self._config(parameters),
                retry=self._retry,
                job_retry=DEFAULT_JOB_RETRY.with_timeout(self.retry_seconds),
            )

    def bytes_of(self, sql: str, parameters: Mapping[str, Any], where: str) -> int:
        """What a query would scan; asking costs nothing."""
        config = self._config(parameters)
        config.dry_run = True
        with explained(where):
            job = self.client.query(sql, job_config=config, retry=self._retry, job_retry=None)
        return int(job.total_bytes_processed or 0)

    def schema(self, table: str) -> Sequence[bigquery.SchemaField]:
        """The table's fields, as BigQuery describes them."""
        with explained(table):
            found = self.client.get_table(table, retry=self._retry)
        return list(found.schema)

    def tables(self, dataset: str) -> list[str]:
        """The full names of a dataset's tables."""
        with explained(dataset):
            listed = list(self.client.list_tables(dataset, retry=self._retry))
        return [f"{each.project}.{each.dataset_id}.{each.table_id}" for each in listed]

    @cached_property
    def storage(self) -> Any:
        """The client of the Storage API, None where it is not installed or not allowed."""
        return storage_client(self.client)

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


def price(scanned: int, per_tib: float) -> float:
    """The on-demand price of scanning this many bytes, in USD."""
    return scanned / 1024**4 * per_tib
