"""A backup to S3 and its restore, by the statements of docs/operations.md."""

from __future__ import annotations

import re

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.conftest import ROOT, FolderBucket, S3Bucket
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, published, query, schema
from tests.support.world import World


def documented(bucket: S3Bucket, database: str) -> list[str]:
    """The block of statements, with this bucket, these keys and this database."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(-- every Sunday.*?)```", text, re.DOTALL)
    for place, value in {
        "https://<bucket>.s3.<region>.amazonaws.com": f"{bucket.endpoint_url}/{bucket.bucket}",
        "<access key>": "test-key",
        "<secret key>": "test-secret",
        "database dlt": f"database {database}",
    }.items():
        assert place in block
        block = block.replace(place, value)
    plain = re.sub(r"--[^\n]*", "", block)
    return [sql.strip() for sql in plain.split(";") if sql.strip()]


@pytest.mark.thorough
def test_a_database_comes_back_from_its_backup_and_loads_go_on(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands, s3: S3Bucket
) -> None:
    world = World(aws_bucket, clickhouse, commands)
    commands.set(environ(clickhouse, aws_bucket.root))
    world.deliver("2026-09", [1.0, 2.0])
    world.well()
    whole, since, restore = documented(s3, clickhouse.database)
    query(clickhouse, whole)
    world.deliver("2026-10", [4.0])
    world.well()
    before = schema(clickhouse), published(clickhouse)
    query(clickhouse, since)
    with ClickHouseManager(clickhouse.with_database("default")) as manager:
        manager.execute(f"drop database {clickhouse.database} sync")
        manager.execute(restore)
    assert (schema(clickhouse), published(clickhouse)) == before
    assert world.well() == "aws: 0 loaded, 2 unchanged, 0 failed\n"
