"""What dlt knows of what was loaded: tables, columns, rows, packages, on both destinations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dlt
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.destinations.clickhouse.destination import destination_of
from pipelines.destinations.clickhouse.warehouse import Warehouse
from scripts.sandbox.aws.delivery import deliver_legacy_parquet
from tests.conftest import FolderBucket, S3Bucket
from tests.support import published_clickhouse
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver, lines
from tests.support.providers.stripe_ledgers import rows, served
from tests.support.published_clickhouse import environ

TABLES = ["cur", "_dlt_version", "_dlt_loads"]


def query(pipeline: dlt.Pipeline, sql: str) -> list[tuple[Any, ...]]:
    """Rows of raw tables as dlt's SQL client reads them."""
    with pipeline.sql_client() as client:
        return [tuple(row) for row in client.execute_sql(sql) or ()]


def counted(pipeline: dlt.Pipeline) -> list[tuple[Any, ...]]:
    """The raw table and its number of rows, as dlt's dataset counts them."""
    return [tuple(row) for row in pipeline.dataset().row_counts(table_names=["cur"]).fetchall()]


def test_dlt_lists_the_raw_table_of_a_folder_with_its_rows(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-09", [9.0, 0.9], files=2)
    deliver(aws_bucket.root, "2026-10", [1.0, 2.0, 3.0])
    commands.well("load")
    deliver(aws_bucket.root, "2026-10", [5.0], prefix="restated")
    commands.well("load")
    pipeline = dlt.attach("aws_filesystem")
    assert pipeline.dataset().tables == TABLES
    found = query(pipeline, "select line_item_unblended_cost from cur order by 1")
    assert found == [(0.9,), (5.0,), (9.0,)]
    assert counted(pipeline) == [("cur", 3)]
    columns = pipeline.default_schema.get_table_columns("cur")
    assert list(columns) == commands.raw_table("2026-10").column_names
    assert columns["resource_tags"]["data_type"] == "json"
    assert pipeline.default_schema.tables["cur"]["schema_contract"]
    trace = pipeline.last_trace
    assert trace is not None
    assert trace.last_normalize_info is not None
    assert trace.last_normalize_info.row_counts == {"cur": 1}
    assert pipeline.list_normalized_load_packages() == []


def test_dlt_lists_the_raw_table_of_a_bucket(
    aws_bucket: FolderBucket, s3: S3Bucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    commands.set(s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{s3.url}/data"})
    deliver(aws_bucket.root, "2026-10", [1.0, 2.0])
    commands.well("load")
    pipeline = dlt.attach("aws_filesystem")
    assert pipeline.dataset().tables == TABLES
    with pipeline.destination_client() as client:
        files = client.list_table_files("cur")  # type: ignore[attr-defined]  # of the filesystem's
    assert [path.rpartition(".")[2] for path in files] == ["parquet"]


@pytest.mark.thorough
def test_dlt_lists_the_raw_table_in_clickhouse_with_its_rows(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root))
    deliver(aws_bucket.root, "2026-09", [9.0, 0.9], files=2)
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.well("load")
    columns = published_clickhouse.query(clickhouse, "describe aws_costs__cur")
    destination = destination_of(Warehouse(clickhouse))
    pipeline = dlt.pipeline("aws_clickhouse", destination=destination, dataset_name="aws_costs")
    assert pipeline.dataset().tables == TABLES
    assert counted(pipeline) == [("cur", 3)]
    assert query(pipeline, "select count() from aws_costs___dlt_loads") == [(2,)]
    assert published_clickhouse.query(clickhouse, "describe aws_costs__cur") == columns
    assert published_clickhouse.query(clickhouse, "show tables like 'aws_costs__%'") == [
        ("aws_costs___dlt_loads",),
        ("aws_costs___dlt_version",),
        ("aws_costs__cost_explorer",),
        ("aws_costs__cur",),
        ("aws_costs__dlt_sentinel_table",),
        ("aws_costs__invoices",),
    ]


def test_months_with_other_columns_go_through_untouched(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    made = {}
    for month, more in (
        ("2026-08", dict[str, Any]()),
        ("2026-09", {"a_b": "x"}),
        ("2026-10", {"c_d": 1.0}),
    ):
        given = [row | more for row in lines(month, [1.0, 2.0])]
        made[month] = deliver_legacy_parquet(aws_bucket, "billing", "daily", month, given)
    commands.well("load")
    for month, delivered in made.items():
        (path,) = commands.raw(month).glob("*.parquet")
        assert path.read_bytes() == aws_bucket.read(delivered.files[0])
    assert query(dlt.attach("aws_filesystem"), "select count(*) from cur") == [(6,)]


def test_no_table_and_no_stored_file_of_dlt_names_a_folder_of_this_machine(
    commands: Commands, tmp_path: Path
) -> None:
    with served(*rows(("charge", 100, 1, "usd"))) as server:
        commands.set(server.environ)
        commands.well("load")
    stored = [path for path in commands.data.rglob("*") if path.is_file()]
    assert stored
    named = [path for path in stored if os.fsencode(tmp_path) in path.read_bytes()]
    assert named == []
    assert not list(commands.data.glob("*/*_deliveries"))
    (path,) = commands.data.glob("stripe/balance_transactions/*/*.parquet")
    assert pq.read_metadata(path).num_rows == 1
