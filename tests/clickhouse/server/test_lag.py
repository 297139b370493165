"""A replica that shows an insert late: nothing is published by half, dropped or counted twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.lease import leased
from pipelines.core.partition import Busy
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.retention import prune
from tests.clickhouse.test_migrate import NOW, TAGS, Sql, filled
from tests.conftest import FolderBucket
from tests.support.clickhouse.lag import LaggingProxy
from tests.support.clickhouse.proxy import Proxy
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, leftovers, query, totals
from tests.support.world import World

DAYS = "select x_partition, sum(billed_cost) from costs_daily group by 1"
READ = "select .*count"
#: Which insert comes late, and after which statements it has come.
LATE = {
    "files-http": (r"insert into .*_raw \(", READ),
    "days-native": (r"insert into _stage_\w+_day ", READ),
}


@pytest.mark.quick("days")
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


@pytest.mark.thorough
def test_a_rebuild_moves_no_partition_before_all_of_its_rows_are_seen(
    empty_clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    older = Sql(tmp_path / "older-sql").doubled()
    filled(empty_clickhouse, folder=older.folder)
    late = r"insert into _new_batch_\w+ \("
    with LaggingProxy(empty_clickhouse, late=late, until="select x_partition, count") as proxy:
        migrate(proxy.config, TAGS, lambda line: None)
        assert proxy.done.wait(30)
    assert totals(empty_clickhouse) == NOW
    assert dict(query(empty_clickhouse, DAYS)) == NOW


def _published_late(config: ClickHouseConfig, how: str) -> None:
    """Lines that a load has published come to the replica that is asked."""
    if how == "native":
        query(config, "alter table normalized_aws attach partition '2026-09' from kept")
        return
    names = "select name from system.columns where database = currentDatabase() and table = 'kept'"
    columns = ", ".join(f"`{name}`" for (name,) in query(config, names))
    with connect(config) as client:
        rows = client.raw_query(f"select {columns} from kept", fmt="Native")
        sent = f"insert into normalized_aws ({columns}) format Native\n".encode() + rows
        client.raw_insert("", None, (part for part in [sent]))  # chunked


@pytest.mark.quick("native")
@pytest.mark.parametrize("how", ["native", "http"])
def test_days_whose_lines_are_seen_late_are_not_dropped(
    empty_clickhouse: ClickHouseConfig, how: str
) -> None:
    _with_days(empty_clickhouse)
    late = r"alter table normalized_aws attach|insert into normalized_aws"
    looks = r"select toString\(x_partition\).* from normalized_aws "
    with LaggingProxy(empty_clickhouse, late=late, until=looks) as proxy:
        _published_late(proxy.config, how)
        said: list[str] = []
        migrate(proxy.config, TAGS, said.append)
        assert proxy.done.wait(30)
    assert said == []
    assert totals(empty_clickhouse) == NOW
    assert dict(query(empty_clickhouse, DAYS)) == NOW


@pytest.mark.thorough
def test_days_whose_lines_are_never_seen_stay_and_are_named(
    empty_clickhouse: ClickHouseConfig, caplog: pytest.LogCaptureFixture
) -> None:
    _with_days(empty_clickhouse)
    query(empty_clickhouse, "alter table costs_daily drop partition ('aws', '2026-08')")
    said: list[str] = []
    migrate(replace(empty_clickhouse, retry_seconds=0.2), TAGS, said.append)
    assert said == ["filled costs_daily of aws"]  # and of what is seen, none is missing
    assert dict(query(empty_clickhouse, DAYS)) == NOW
    assert caplog.messages[-1] == (
        "costs_daily of aws 2026-09: normalized_aws does not show the lines of these days. The "
        "next load makes them agree; of a partition that the provider does not have any more, "
        "drop the days: alter table costs_daily drop partition ('aws', '2026-09')"
    )


def _with_days(config: ClickHouseConfig) -> None:
    """Three months and their days; the lines of one are kept beside their table."""
    filled(config)
    migrate(config, TAGS, lambda line: None)
    assert dict(query(config, DAYS)) == NOW
    query(config, "create table kept as normalized_aws")
    query(config, "alter table kept attach partition '2026-09' from normalized_aws")
    query(config, "alter table normalized_aws drop partition '2026-09'")


def test_a_lease_counts_only_when_it_is_seen(clickhouse: ClickHouseConfig) -> None:
    late = r"create table _lock_aws__1 "
    looks = "select name, comment from system.tables"
    with (
        LaggingProxy(clickhouse, late=late, until=looks, reads=2) as proxy,
        leased(proxy.config, "aws"),
    ):
        assert proxy.done.is_set()
        with pytest.raises(Busy, match="aws is locked by"), leased(clickhouse, "aws"):
            pass
    assert leftovers(clickhouse) == []


def test_a_lease_that_is_never_seen_is_none(clickhouse: ClickHouseConfig) -> None:
    late = r"create table _lock_aws__1 "
    with LaggingProxy(clickhouse, late=late, until="never") as proxy:
        with (
            pytest.raises(Busy, match="the replica that answers lags behind"),
            leased(proxy.config, "aws"),
        ):
            pass
        proxy.forget()


@pytest.mark.thorough
def test_what_prune_removes_does_not_depend_on_a_note_that_is_seen_late(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    world = World(aws_bucket, clickhouse, commands)
    commands.set(environ(clickhouse, aws_bucket.root))
    world.deliver("2025-09", [1.0])
    world.deliver("2026-10", [2.0])
    world.well()
    with Proxy(clickhouse) as proxy, Warehouse(proxy.config) as warehouse:
        assert prune(warehouse.retention(SOURCES["aws"].raw_table), "2026-06") == ["2025-09"]
        steps = [step for step in proxy.steps if "retention" in step or "drop partition" in step]
    kinds = [" ".join(step.split()[:3]) for step in steps]
    noted = kinds.index("insert into retention")
    assert "select first_kept, removing" not in kinds[noted:]
    assert totals(clickhouse) == {"2026-10": 2.0}
    assert world.query("select removing from retention final") == [([],)]
