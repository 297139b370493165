"""A load whose job failed is a failed load, whatever dlt is configured to raise."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import environ, query

FAILED = "aws: 0 loaded, 0 unchanged, 1 failed\n"


@pytest.mark.parametrize("raises", ["true", "false"])
def test_a_month_that_the_disk_refuses_is_not_reported_as_loaded(
    aws_bucket: FolderBucket, commands: Commands, raises: str
) -> None:
    commands.read_from(aws_bucket.url)
    commands.set({"LOAD__RAISE_ON_FAILED_JOBS": raises})
    deliver(aws_bucket.root, "2026-10", [1.0])
    commands.raw("2026-10").parent.mkdir(parents=True)
    commands.raw("2026-10").symlink_to("nowhere")  # no folder can take the place of a link
    ran = commands("load")
    assert (ran.status, ran.out) == (1, FAILED), ran
    assert ran.err.startswith("aws 2026-10: ")
    assert "Not a directory" in ran.err
    assert "Traceback" not in ran.err
    commands.raw("2026-10").unlink()
    assert commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.quick("false")
@pytest.mark.parametrize("raises", ["true", "false"])
def test_a_month_that_clickhouse_refuses_is_not_reported_as_loaded(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands, raises: str
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root) | {"LOAD__RAISE_ON_FAILED_JOBS": raises})
    deliver(aws_bucket.root, "2026-10", [1.0])
    assert commands("load").status == 0
    deliver(aws_bucket.root, "2026-10", [2.0])
    for view in ("normalize_aws", "normalize_aws_focus"):
        query(clickhouse, f"drop view {view} sync")
    ran = commands("load")
    assert (ran.status, ran.out) == (1, FAILED), ran
    (line,) = [line for line in ran.err.splitlines() if line.startswith("aws 2026-10: ")]
    assert line.endswith("Run: make init-clickhouse")
