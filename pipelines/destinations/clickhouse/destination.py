"""dlt's clickhouse destination, with partitions that are replaced whole.

dlt carries one small row per partition; the load job of that row publishes the landed files. Only
the choice of the job is overridden. dlt's own staging is not used: it is shared, and a package
resumed after a kill holds its rows twice; its stock merge deletes first and inserts after.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import dlt
from clickhouse_connect.driver.exceptions import Error as ConnectError
from clickhouse_connect.driver.tools import insert_file
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages import FileStorage
from dlt.destinations.impl.clickhouse.clickhouse import ClickHouseClient, ClickHouseLoadJob

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseConnectionError
from pipelines.clickhouse.server.problems import diagnose, explain, redacted, server_code
from pipelines.clickhouse.server.rules import Kind
from pipelines.core.partition import Delivery, UserError
from pipelines.destinations.clickhouse.warehouse import Warehouse, connect
from pipelines.destinations.failures import PublishFailed, ServerGone
from pipelines.destinations.layout import Place

NORMALIZED = "normalized"  # the form of what ingest_normalized_pipeline carries
Gone = (ConnectError, ConnectionError)


class FileJob(ClickHouseLoadJob):
    """A file of dlt's own (its state, a row of ours) into its table, over our connection.

    dlt's own job knows no private certificate authority.
    """

    server: ClassVar[ClickHouseConfig]

    def run(self) -> None:
        """Insert the file; raises ServerGone for what may be tried again."""
        try:
            with connect(self.server) as client:
                database, table = self._job_client.sql_client.make_qualified_table_name_path(
                    self.load_table_name, quote=False
                )
                insert_file(
                    client,
                    table,
                    self._file_path,
                    fmt="JSONEachRow",
                    database=database,
                    settings={"date_time_input_format": "best_effort"},
                    compression="gz" if self._file_path.endswith(".gz") else None,
                )
        except Gone as error:
            raise _meant(error, self.server) from redacted(error, self.server)


class PartitionJob(FileJob):
    """Publishes the one partition that its row names, then stores the row. Repeatable."""

    def run(self) -> None:
        """Raises PublishFailed or ServerGone; the published partition then is as it was."""
        with FileStorage.open_zipsafe_ro(self._file_path, "r", encoding="utf-8") as lines:
            recipes = [_recipe(line) for line in lines]
        with Warehouse(self.server) as warehouse:
            for recipe in recipes:
                self._publish(warehouse, recipe)
        super().run()

    def _publish(self, warehouse: Warehouse, recipe: dict[str, Any]) -> None:
        delivery = Delivery.from_json(recipe["delivery"]).loaded_by(self._load_id)
        is_normalized = delivery.form.startswith(NORMALIZED)
        publish = warehouse.publish_normalized if is_normalized else warehouse.publish
        where = f"{delivery.word} {delivery.partition}: "
        place = Place(**recipe["place"])
        try:
            is_retry = self.job_file_info().retry_count > 0
            if not (is_retry and warehouse.was_published(place, delivery)):
                publish(place, Path(recipe["folder"]), delivery)
        except (ClickHouseConnectionError, *Gone) as error:
            raise _meant(error, self.server, where) from redacted(error, self.server)
        except (UserError, OSError) as error:
            text = str(error)
            raise PublishFailed(text if text.startswith(where) else where + text) from error


class PartitionClient(ClickHouseClient):
    """dlt's client with our jobs."""

    server: ClassVar[ClickHouseConfig]

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job of one file: a partition's, another row's, or dlt's own for anything else."""
        if file_path.endswith((".jsonl", ".jsonl.gz")):
            kind = PartitionJob if table.get("x-publish") else FileJob
            bound = type(kind.__name__, (kind,), {"server": self.server})
            job: LoadJob = bound(file_path, config=self.config)
            return job
        return super().create_load_job(table, file_path, load_id, restore)


def clickhouse_partitions(warehouse: Warehouse) -> dlt.destinations.clickhouse:
    """`destination.clickhouse` of dlt on the warehouse's server, with PartitionClient.

    A class per server: dlt reads the parameters of `__init__`, so it has to stay dlt's own.
    """
    server = warehouse.config
    client = type("PartitionClient", (PartitionClient,), {"server": server})
    made = type("clickhouse", (dlt.destinations.clickhouse,), {"client_class": client})
    destination: dlt.destinations.clickhouse = made(
        credentials=server.dlt_credentials(),
        destination_name="clickhouse",
        dataset_table_separator="__",
    )
    return destination


def _meant(error: Exception, server: ClickHouseConfig, where: str = "") -> Exception:
    """What the server refuses it would refuse again; what broke on the way may go through."""
    kind = diagnose(error, server).kind
    refused = kind in (Kind.TLS, Kind.AUTH, Kind.PROTOCOL) or (
        kind is Kind.QUERY and server_code(error) is not None
    )
    return (PublishFailed if refused else ServerGone)(where + explain(error, server))


def _recipe(line: str) -> dict[str, Any]:
    """JSON columns travel as text to ClickHouse."""
    value = json.loads(line)["recipe"]
    return dict(json.loads(value) if isinstance(value, str) else value)
