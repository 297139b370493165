"""kill -9 of a load and a normalise of GCP days, on both destinations, and readers meanwhile.

The framework's own kill tests take every step of AWS months; here are the steps that are GCP's:
landing, publishing and dropping days.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.bigquery.server import BigQueryServer
from tests.kill.test_kill_clickhouse import World as Warehouse
from tests.kill.test_kill_clickhouse import kill_points
from tests.support.kill_harness import Folder, some
from tests.support.providers.days import billed, environ, put
from tests.support.published import leftovers, published

OLD = {"2026-10-28": [1.0], "2026-10-29": [2.0, 4.0], "2026-10-30": [8.0]}
#: A day is emptied, one has fewer rows, one is new.
NEW = {"2026-10-29": [16.0], "2026-10-30": [8.0], "2026-10-31": [32.0, 64.0]}
#: So many kill points of each kind, evenly; KILL_STRIDE=1 takes all of them, which takes long.
MOST = int(os.environ.get("KILL_MOST", "3"))


class World(Folder):
    """A destination for days of GCP."""

    def run(self, *commands: str) -> None:
        """Undisturbed."""
        for command in commands:
            assert self.harness.run(command, "gcp").status == 0


@pytest.fixture
def world(bigquery_server: BigQueryServer, tmp_path: Path) -> Iterator[World]:
    """Three published days, which have changed since."""
    put(bigquery_server, OLD)
    made = World(tmp_path / "world", environ(bigquery_server))
    made.run("load", "normalize")
    put(bigquery_server, NEW)
    made.keep()
    yield made
    made.harness.close()


def whole(seen: dict[str, list[float]], step: str) -> None:
    """Every day that a reader finds is the old one or the new one, and none has gone."""
    assert set(OLD) <= set(seen), step
    for day, costs in seen.items():
        assert costs in (OLD.get(day), NEW.get(day, [])), (step, day)


def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(world: World) -> None:
    steps = {}
    for command in ("load", "normalize"):
        steps[command] = world.harness.run(command, "gcp").steps
    undisturbed = published(world.data, "gcp")
    assert billed(world.data) == NEW | {"2026-10-28": []}
    for command, taken in steps.items():
        ours = [n for n, step in enumerate(taken, 1) if "/data/" in step]
        assert len(ours) > 10, command
        for count, number in enumerate(some(ours, MOST)):
            world.back()
            if command == "normalize":
                world.run("load")
            killed = world.harness.run(command, "gcp", kill_at=number)
            assert killed.status is None, taken[number - 1]
            whole(billed(world.data), taken[number - 1])
            if count % 2:
                shutil.rmtree(world.dlt)
            world.run("load", "normalize")
            assert published(world.data, "gcp") == undisturbed, taken[number - 1]
            assert leftovers(world.data) == []


# On ClickHouse.


class GcpWarehouse(Warehouse):
    """The world of AWS's kill tests with days of GCP."""

    def command(self) -> tuple[str, ...]:
        return ("load", "gcp")


@pytest.fixture
def warehouse(
    bigquery_server: BigQueryServer, clickhouse_server: ClickHouseConfig, tmp_path: Path
) -> Iterator[GcpWarehouse]:
    made = GcpWarehouse(tmp_path / "world", clickhouse_server, environ(bigquery_server))
    yield made
    made.close()


def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(
    warehouse: GcpWarehouse, bigquery_server: BigQueryServer
) -> None:
    from tests.support import published_clickhouse as there

    gcp = ("gcp_costs__billing_export", "normalized_gcp")
    put(bigquery_server, OLD)
    assert warehouse.load().status == 0
    put(bigquery_server, NEW)
    warehouse.keep()
    before = there.totals(warehouse.database)
    files = warehouse.load().steps
    statements = warehouse.proxy.steps
    after, undisturbed = (
        there.totals(warehouse.database),
        there.published(warehouse.database, *gcp),
    )
    assert before == {day: sum(costs) for day, costs in OLD.items()}
    assert after == {day: sum(costs) for day, costs in NEW.items()}
    points = kill_points(statements, files)
    assert len(points) > 20
    points = some(points, 2 * MOST)
    for count, (number, file, step) in enumerate(points):
        warehouse.back()
        assert warehouse.load(number, file).status is None, step
        seen = there.totals(warehouse.database)
        for day in before.keys() | after.keys():
            assert seen.get(day) in (before.get(day), after.get(day)), (step, day)
        if count % 2:
            shutil.rmtree(warehouse.dlt)
        assert warehouse.load().status == 0, step
        assert there.published(warehouse.database, *gcp) == undisturbed, step
        assert there.leftovers(warehouse.database) == []
