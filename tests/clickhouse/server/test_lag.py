"""A replica that shows an insert late: nothing is published by half, dropped or counted twice."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.conftest import FolderBucket
from tests.support.clickhouse.lag import LaggingProxy
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, leftovers, totals
from tests.support.world import World

READ = "select .*count"
#: Which insert comes late, and after which statements it has come.
LATE = {
    "files-http": (r"insert into .*_raw \(", READ),
    "days-native": (r"insert into _stage_\w+_day ", READ),
}


@pytest.mark.parametrize("name", LATE)
def test_an_insert_that_is_seen_late_is_waited_for(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands, name: str
) -> None:
    world = World(aws_bucket, clickhouse, commands)
    commands.set(environ(clickhouse, aws_bucket.root))
    world.deliver("2026-09", [1.0, 2.0])
    world.well()
    world.deliver("2026-09", [4.0, 8.0, 16.0])
    late, until = LATE[name]
    with LaggingProxy(clickhouse, late=late, until=until) as proxy:
        commands.set(environ(proxy.config, aws_bucket.root))
        ran = world.load()
        assert (ran.status, ran.out) == (0, "aws: 1 loaded, 0 unchanged, 0 failed\n"), ran
        assert proxy.done.wait(30)
    assert totals(clickhouse) == {"2026-09": 28.0}
    assert world.query("select sum(x_lines), sum(billed_cost) from costs_daily") == [(3, 28.0)]
    assert world.query("select rows from deliveries order by published_at") == [(2,), (3,)]
    commands.set(environ(clickhouse, aws_bucket.root))
    assert world.well() == "aws: 0 loaded, 1 unchanged, 0 failed\n"
    assert leftovers(clickhouse) == []
