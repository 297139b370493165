"""dlt's clickhouse destination, with partitions that are replaced whole.

The landed files of a partition are the files of one load package; the job that follows when all of
them are there publishes it. dlt's own staging is not used: it is shared, and a package resumed
after a kill holds its rows twice; its stock merge deletes first and inserts after.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import dlt
from clickhouse_connect.driver.exceptions import Error as ConnectError
from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations.impl.clickhouse.clickhouse import ClickHouseClient
from dlt.destinations.impl.clickhouse.configuration import ClickHouseClientConfiguration
from dlt.destinations.job_impl import ReferenceFollowupJobRequest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseConnectionError, ClickHouseError
from pipelines.clickhouse.server.patience import patiently
from pipelines.clickhouse.server.problems import diagnose, explain, redacted, server_code
from pipelines.clickhouse.server.refusals import passes
from pipelines.clickhouse.server.rules import Kind
from pipelines.clickhouse.server.settings import labelled
from pipelines.core.partition import UserError
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.failures import PublishFailed
from pipelines.destinations.handover import FileJob, Handed, handed_over, is_raw
from pipelines.destinations.resolving import ResolvedOnce

NORMALIZED = "normalized"  # the form of what ingest_normalized_pipeline carries
Gone = (ConnectError, ConnectionError)


@configspec
class PartitionsConfiguration(ClickHouseClientConfiguration):
    """dlt's configuration, and the run's warehouse, whose connections publish each partition."""

    warehouse: Any = None


class PartitionJob(RunnableLoadJob):
    """Publishes the partition of its package, once dlt has all of its files. Repeatable."""

    def run(self) -> None:
        """Raises PublishFailed; the published partition then is as it was.

        What passes by itself, as a full server or one that starts again, is tried again for the
        configured while.
        """
        warehouse: Warehouse = cast(PartitionsConfiguration, self._job_client.config).warehouse
        server = warehouse.config
        handed = handed_over(self._load_id)
        tries = itertools.count(self.job_file_info().retry_count)
        source_name, partition = handed.raw_table.source_name, handed.delivery.partition

        def publish() -> None:
            self._publish(warehouse, handed, is_retry=next(tries) > 0)

        try:
            with labelled(source=source_name, partition=partition, load_id=handed.delivery.load_id):
                patiently(server, publish, again=partial(_passes, server))
        except (ClickHouseConnectionError, *Gone) as error:
            # dlt would begin the job again, though it was tried again for long enough
            text = handed.where + explain(error, server)
            raise PublishFailed(text) from redacted(error, server)
        except (UserError, OSError) as error:
            raise PublishFailed(handed.explain(error)) from error

    def _publish(self, warehouse: Warehouse, handed: Handed, *, is_retry: bool) -> None:
        raw_table, delivery = handed.raw_table, handed.staged()
        if is_retry and warehouse.was_published(raw_table, delivery):
            return
        is_normalized = delivery.layout.startswith(NORMALIZED)
        publish = warehouse.publish_normalized if is_normalized else warehouse.publish
        publish(raw_table, handed.folder, delivery)


class PartitionClient(ClickHouseClient):
    """dlt's client, which publishes raw tables by our job and leaves their columns to sql/."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Files of a raw table wait for the others; the job that follows them publishes."""
        if not is_raw(table):
            return super().create_load_job(table, file_path, load_id, restore)
        if ReferenceFollowupJobRequest.is_reference_job(file_path):
            return PartitionJob(file_path)
        return FileJob(file_path)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """What follows when all files of a table are there."""
        jobs = list(completed_table_chain_jobs or ())
        if not is_raw(table_chain[0]) or not jobs:
            return super().create_table_chain_completed_followup_jobs(table_chain, jobs)
        paths = [job.file_path for job in jobs]
        return [ReferenceFollowupJobRequest(Path(paths[0]).name, paths)]

    def _create_table_update(
        self, table_name: str, storage_columns: TTableSchemaColumns
    ) -> Sequence[TColumnSchema]:
        if is_raw({"name": table_name}):
            return []
        return super()._create_table_update(table_name, storage_columns)


class clickhouse_partitions(ResolvedOnce, dlt.destinations.clickhouse):  # noqa: N801 (dlt names them so)
    """dlt's `destination.clickhouse` with PartitionClient in place of its own client."""

    spec = PartitionsConfiguration

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        """dlt's own, and the job that follows the files of a table."""
        capabilities = super()._raw_capabilities()
        known = capabilities.supported_loader_file_formats
        capabilities.supported_loader_file_formats = [*known, "reference"]
        return capabilities

    @property
    def client_class(self) -> type[ClickHouseClient]:
        """What dlt loads with."""
        return PartitionClient


def destination_of(warehouse: Warehouse) -> clickhouse_partitions:
    """dlt's destination on the warehouse's server."""
    server = warehouse.config
    return clickhouse_partitions(
        credentials=server.dlt_credentials(),
        destination_name="clickhouse",
        dataset_table_separator="__",
        warehouse=warehouse,
    )


def _passes(server: ClickHouseConfig, error: BaseException) -> bool:
    """Whether the same may go through a little later."""
    code = server_code(error)
    if isinstance(error, (ClickHouseError, *Gone)) and passes(code, str(error)):
        return True
    if not isinstance(error, (ClickHouseConnectionError, *Gone)) or code is not None:
        return False
    return diagnose(error, server).kind is Kind.NETWORK
