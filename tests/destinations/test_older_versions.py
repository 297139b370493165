"""What older versions left on a destination is removed by the next load, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.conftest import FolderBucket, S3Bucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published import published
from tests.support.published_clickhouse import environ, leftovers, query, totals

NOTHING = "aws: 0 loaded, 1 unchanged, 0 failed\n"
CARRIED = "aws_costs/cur_deliveries/1795949481.04.e84bf7b14c.jsonl.gz"


def test_rows_that_dlt_carried_go_from_a_folder(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.well("load", "normalize")
    before = published(commands.data)
    (commands.data / CARRIED).parent.mkdir()
    (commands.data / CARRIED).write_bytes(b"a row")
    other = commands.data / "aws_costs" / "my_deliveries" / "mine.txt"
    other.parent.mkdir()
    other.write_text("mine")
    assert commands("load").out == NOTHING
    assert not (commands.data / CARRIED).parent.exists()
    assert other.read_text() == "mine"
    assert published(commands.data) == before
    assert list((commands.data / ".staging").rglob("*.gz")) == []


def test_rows_that_dlt_carried_go_from_a_bucket(
    aws_bucket: FolderBucket, s3: S3Bucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    commands.set(s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{s3.url}/data"})
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.well("load")
    before = keys(s3)
    s3.client.put_object(Bucket=s3.bucket, Key=f"data/{CARRIED}", Body=b"a row")
    assert commands("load").out == NOTHING
    assert keys(s3) == before


def keys(s3: S3Bucket) -> list[str]:
    """The objects of a bucket, without the provider's note."""
    return sorted(s3.target.keys(prefix=""))


@pytest.mark.thorough
def test_tables_that_dlt_wrote_rows_into_go_from_clickhouse(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands, tmp_path: Path
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root))
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.well("load")
    for name in ("aws_costs__cur", "stripe__balance_transactions", "aws_costs__normalized", "my"):
        query(clickhouse, f"create table {name}_deliveries (recipe String) engine = Log")
    query(clickhouse, "alter table _schema_version modify comment 'that of an older version'")
    assert commands("load").out == NOTHING
    assert query(clickhouse, "show tables like '%\\_deliveries'") == [
        ("my_deliveries",),
        ("newest_deliveries",),
    ]
    assert totals(clickhouse) == {"2026-10": 1.0}
    assert leftovers(clickhouse) == []
    assert "0 differences" in commands("migrate", "--validate").out


@pytest.mark.thorough
def test_a_mart_that_is_no_longer_computed_goes_from_a_folder(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.well("load")
    commands.well("normalize", marts=True)
    before = published(commands.data)
    stale = commands.data / "marts" / "cost_daily" / "data.parquet"
    stale.parent.mkdir()
    stale.write_bytes(b"figures of an older version")
    commands.well("normalize", marts=True)
    assert not stale.parent.exists()
    assert published(commands.data) == before
    assert list((commands.data / ".staging").rglob("*.parquet")) == []


@pytest.mark.thorough
def test_a_mart_that_is_no_longer_computed_goes_from_clickhouse(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root))
    query(clickhouse, "create view cost_daily as select 1 as billed")
    query(clickhouse, "alter table _schema_version modify comment 'that of an older version'")
    ran = commands("migrate")
    assert (ran.status, "dropped cost_daily" in ran.out + ran.err) == (0, True)
    assert query(clickhouse, "exists view cost_daily") == [(0,)]
    assert "0 differences" in commands("migrate", "--validate").out
