"""kill -9 of the loader at every statement, and of the server in the middle of one.

Afterwards the same command ends as if nothing had happened, and between the two a reader finds
every month as it was or as it is.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.manager import ClickHouseManager
from tests.clickhouse_proxy import Proxy, Victim
from tests.kill_harness import Ended, Harness
from tests.months import deliver, lines
from tests.published import copy_state
from tests.published_clickhouse import environ, leftovers, published, query, totals
from scripts.cur_delivery import deliver_cur2

#: Of what only reads, of dlt's own statements and of the steps in its folder, one in so many is a
#: kill point; whatever else changes the database always is.
STRIDE = int(os.environ.get("KILL_STRIDE", "12"))
_CHANGES = re.compile(r"(create|alter|insert|drop|exchange)\b", re.IGNORECASE)


class World:
    """A bucket, a database and a working directory that can be put back to their start."""

    def __init__(self, folder: Path, config: ClickHouseConfig) -> None:
        self.database = config.with_database(f"{config.database}_kill_{folder.name[-4:]}")
        self.proxy = Proxy(self.database)
        self.bucket, self.dlt, self.start = folder / "bucket", folder / "dlt", folder / "start"
        self.bucket.mkdir(parents=True)
        self.dlt.mkdir()
        variables = environ(self.proxy.config, self.bucket) | {"DLT_DATA_DIR": str(self.dlt)}
        self.harness = Harness(os.environ | variables, self.dlt)
        # a backup in memory lasts as long as the connection that made it
        self.server = ClickHouseManager(config)
        self.backups = 0

    def close(self) -> None:
        self.harness.close()
        self.proxy.close()
        self.drop()
        self.server.close()

    def drop(self) -> None:
        self.server.execute(f"drop database if exists {self.database.database} sync")

    def load(self, kill_at: int = 0) -> Ended:
        """A load, killed before its statement `kill_at`; it took `proxy.steps`."""
        victim = Victim()
        self.proxy.watch(kill_at, victim.kill)
        return self.harness.run("load", on_start=victim.is_)

    def keep(self) -> None:
        """What `back` returns to."""
        self.backups += 1
        copy_state(self.dlt, self.start)
        self.server.execute(f"backup database {self.database.database} to {self._backup}")

    def back(self) -> None:
        """As it was at `keep`."""
        copy_state(self.start, self.dlt)
        self.drop()
        self.server.execute(f"restore database {self.database.database} from {self._backup}")

    @property
    def _backup(self) -> str:
        return f"Memory('{self.database.database}_{self.backups}')"


@pytest.fixture
def world(clickhouse_server: ClickHouseConfig, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "kill", clickhouse_server)
    yield made
    made.close()


def restate(world: World) -> None:
    """Three published months; then one is emptied, one has fewer rows and a new column."""
    deliver(world.bucket, "2026-07", [7.0, 0.7])
    deliver(world.bucket, "2026-08", [8.0])
    deliver(world.bucket, "2026-09", [9.0, 0.9, 0.09], files=2)
    assert world.load().status == 0
    deliver(world.bucket, "2026-07", [])
    rows = [row | {"my_text": "new"} for row in lines("2026-09", [99.0, 0.1], "restated")]
    deliver_cur2(world.bucket, "", "cur", "2026-09", rows)
    world.keep()


def test_a_load_killed_at_any_statement_ends_as_if_undisturbed(world: World) -> None:
    restate(world)
    before = totals(world.database)
    assert world.load().status == 0
    steps = world.proxy.steps
    after, undisturbed = totals(world.database), published(world.database)
    points = kill_points(steps)
    assert len(points) > 30
    import time
    for count, number in enumerate(points):
        t0 = time.time()
        world.back(); print(round(time.time() - t0, 2), end=' ')
        assert world.load(kill_at=number).status is None, steps[number - 1]
        print(round(time.time() - t0, 2), end=' ')
        whole(totals(world.database), before, after, steps[number - 1])
        if count % 2:
            shutil.rmtree(world.dlt)
        assert world.load().status == 0, steps[number - 1]
        assert published(world.database) == undisturbed, steps[number - 1]
        assert leftovers(world.database) == []
        print(number, steps[number - 1][:60], round(time.time() - t0, 2), flush=True)


def kill_points(steps: list[str]) -> list[int]:
    """Every statement of ours that changes something, every STRIDE-th of the others."""
    changing = [n for n, step in enumerate(steps, 1) if _CHANGES.match(step) and "_dlt_" not in step]
    others = [n for n in range(1, len(steps) + 1) if n not in changing]
    return sorted({*changing, *others[::STRIDE]})


def whole(seen: dict[str, float], old: dict[str, float], new: dict[str, float], step: str) -> None:
    """Every month that a reader finds is the old one or the new one; only an emptied one goes."""
    for month in old.keys() | new.keys():
        assert seen.get(month) in (old.get(month), new.get(month)), (step, month)
