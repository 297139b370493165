"""What a publishing took is in `deliveries`, and that a run ended is in `runs` and `freshness`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import Run
from pipelines.destinations.clickhouse.readings import note_run
from pipelines.destinations.filesystem import readings
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts.catalogue import local_connection
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.published import OF_THE_WORK
from tests.support.published_clickhouse import environ
from tests.support.world import World

SECONDS = [name for name in OF_THE_WORK if name.endswith("_seconds") and name != "cpu_seconds"]
RUN = "command, outcome, loaded, unchanged, failed, kept"
DESTINATIONS = ("filesystem", "clickhouse")


@pytest.fixture
def world(clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def rows(world: World, destination: str, sql: str) -> list[tuple[Any, ...]]:
    """A select over either destination."""
    if destination == "clickhouse":
        return world.query(sql)
    return [tuple(row) for row in local_connection(configured_store()).query(sql)[1]]


@pytest.mark.thorough
def test_the_history_says_what_each_step_took(world: World) -> None:
    world.deliver("2026-09", [1.0, 2.0])
    world.both()
    names = ", ".join(SECONDS)
    for destination in DESTINATIONS:
        (took,) = rows(world, destination, f"select {names} from deliveries")
        assert all(seconds >= 0 for seconds in took), (destination, took)
    sql = (
        "select load_id = x_dlt_load_id from deliveries, (select x_dlt_load_id from costs limit 1)"
    )
    assert rows(world, "filesystem", sql) == [(True,)]
    sql = sql.replace(" limit 1)", " limit 1) as c")
    assert rows(world, "clickhouse", sql) == [(1,)]
    (sizes,) = rows(world, "filesystem", "select read_bytes = bytes, written_bytes from deliveries")
    assert (sizes[0], sizes[1] > 1000) == (True, True)
    # this server keeps no query log: nothing is guessed
    sql = "select cpu_seconds, read_bytes, written_bytes from deliveries"
    assert rows(world, "clickhouse", sql) == [(None, None, None)]


@pytest.mark.thorough
def test_a_history_of_before_has_no_figures(world: World) -> None:
    world.deliver("2026-09", [1.0])
    world.both()
    path = world.commands.data / "deliveries" / "aws-2026-09.parquet"
    pq.write_table(pq.ParquetFile(path).read().drop_columns([*OF_THE_WORK]), path)
    drops = ", ".join(f"drop column {name}" for name in OF_THE_WORK)
    world.change(f"alter table deliveries {drops}", "drop table runs", "drop table _schema_version")
    world.deliver("2026-09", [4.0])
    world.both()
    for destination in DESTINATIONS:
        found = rows(
            world,
            destination,
            "select load_id is null, read_seconds is null, billed from deliveries "
            "order by published_at",
        )
        assert [tuple(map(float, row)) for row in found] == [(1, 1, 1), (0, 0, 4)], destination
        (run,) = rows(world, destination, f"select {RUN} from runs")[-1:]
        assert run == ("load", "well", 1, 0, 0, 0)


@pytest.mark.quick("filesystem")
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_run_that_finds_nothing_new_is_a_heartbeat(world: World, destination: str) -> None:
    began = datetime.now(UTC)
    world.deliver("2026-09", [1.0])
    load = ("load", "aws", f"--destination={destination}")
    assert [world.commands(*load).status for _ in range(2)] == [0, 0]
    sql = f"select {RUN} from runs where word = 'aws' order by ended_at"
    first, second = ("load", "well", 1, 0, 0, 0), ("load", "well", 0, 1, 0, 0)
    assert rows(world, destination, sql) == [first, second]
    world.commands.well("normalize", marts=True)
    sql = "select source, last_run_outcome, last_run = last_good_run, last_run from freshness"
    ((source, outcome, is_good, at),) = rows(world, destination, sql)
    assert (source, outcome, bool(is_good)) == ("aws", "well", True)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    assert began - timedelta(seconds=1) < at < datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.thorough
def test_a_run_that_found_nothing_new_computes_no_mart_but_freshness(world: World) -> None:
    world.deliver("2026-09", [1.0])
    filesystem = ("load", "--destination=filesystem")
    assert world.commands(*filesystem).status == 0
    world.commands.well("normalize", marts=True)
    data, before = world.commands.data / "marts", {}
    for path in data.rglob("*.parquet"):
        before[path] = path.stat().st_mtime_ns
    assert world.commands(*filesystem).status == 0
    world.commands.well("normalize", marts=True)
    after = {path: path.stat().st_mtime_ns for path in data.rglob("*.parquet")}
    changed = [path.parent.name for path in after if after[path] != before.get(path)]
    assert changed == ["freshness"]
    table = pq.ParquetFile(data / "freshness" / "data.parquet").read()
    assert table["last_run"].type == pa.timestamp("us", "UTC")


@pytest.mark.quick("filesystem")
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_source_that_did_not_end_well_for_two_days_is_named(
    world: World, destination: str
) -> None:
    now = datetime.now(UTC)

    def ended(days: float, outcome: str) -> None:
        at = now - timedelta(days=days)
        run = Run("aws", "load", at, at, outcome, failed=int(outcome == "partly"))
        if destination == "clickhouse":
            with ClickHouseManager(world.database) as manager:
                note_run(manager, run)
        else:
            readings.note_run(configured_store(), run)

    def said() -> bool:
        said = world.commands.checked("last_run", destination=destination)
        return "last_run: one row per configured source" in said

    assert not said()
    ended(2.1, "partly")
    assert said()
    ended(1.9, "well")
    ended(0.1, "partly")
    assert not said()


def test_a_run_ends_partly_or_fails_as_a_whole(world: World) -> None:
    world.deliver("2026-09", [1.0])
    for key in world.bucket.keys(prefix=""):
        if key.endswith(".parquet"):
            world.bucket.put(key, b"not parquet")
    for destination in DESTINATIONS:
        assert world.load(f"--destination={destination}").status == 1
        (run,) = rows(world, destination, f"select {RUN} from runs")
        assert run == ("load", "partly", 0, 0, 1, 0)
    world.commands.set({"SOURCES__AWS__BUCKET_URL": "file:///nowhere/at/all"})
    for destination in DESTINATIONS:
        assert world.load(f"--destination={destination}").status in (1, 2)
        last = rows(world, destination, f"select {RUN} from runs order by ended_at")[-1]
        assert last == ("load", "failed", 0, 0, 0, 0)
