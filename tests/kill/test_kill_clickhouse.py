"""kill -9 of the loader at every statement, and of the server in the middle of one.

Afterwards the same command ends as if nothing had happened, and between the two a reader finds
every month as it was or as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import FolderBucket
from tests.support.clickhouse.proxy import Proxy, Victim, When
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.kill_harness import Ended, Harness
from tests.support.providers.months import deliver, lines
from tests.support.published import copy_state
from tests.support.published_clickhouse import environ, leftovers, published, totals

ROOT = Path(__file__).resolve().parents[2]
#: Of what only reads and of dlt's own steps, one in so many is a kill point; ours that change
#: something are all. 1 takes half an hour.
STRIDE = int(os.environ.get("KILL_STRIDE", "15"))
_CHANGES = re.compile(r"(create|alter|insert|drop|exchange)\b", re.IGNORECASE)


class World:
    """A bucket, a database and a working directory that can be put back to their start."""

    def __init__(
        self, folder: Path, config: ClickHouseConfig, more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.folder, self.bucket = folder, folder / "bucket"
        self.dlt, self.start = folder / "dlt", folder / "start"
        self.dlt.mkdir(parents=True)
        self.database = config.with_database("killed")
        self.proxy = Proxy(self.database)
        variables = environ(self.proxy.config, self.bucket) | {"DLT_DATA_DIR": str(self.dlt)}
        self.environ = os.environ | variables | dict(more)
        self.harness = Harness(self.environ, self.dlt)
        # a backup in memory lasts as long as the connection that made it
        self.server = ClickHouseManager(config)

    def close(self) -> None:
        self.harness.close()
        self.proxy.close()
        self.drop()
        self.server.close()

    def drop(self) -> None:
        self.server.execute(f"drop database if exists {self.database.database} sync")

    def load(self, kill_at: int = 0, kill_at_file: int = 0) -> Ended:
        """A load, killed before its n-th statement or its n-th step in its working directory."""
        victim = Victim()
        self.proxy.watch(kill_at, victim.kill)
        return self.harness.run(*self.command(), kill_at=kill_at_file, on_start=victim.is_)

    def command(self) -> tuple[str, ...]:
        """What `load` runs."""
        return ("load",)

    def keep(self) -> None:
        """What `back` returns to."""
        copy_state(self.dlt, self.start)
        self.server.execute(f"backup database {self.database.database} to Memory('start')")

    def back(self) -> None:
        """As it was at `keep`."""
        copy_state(self.start, self.dlt)
        self.drop()
        self.server.execute(f"restore database {self.database.database} from Memory('start')")

    def publish(self) -> None:
        """Three months."""
        deliver(self.bucket, "2026-07", [7.0, 0.7])
        deliver(self.bucket, "2026-08", [8.0])
        deliver(self.bucket, "2026-09", [9.0, 0.9, 0.09], files=2)
        assert self.load().status == 0

    def restate(self) -> None:
        """July is emptied, September has other rows in fewer files and a new column."""
        deliver(self.bucket, "2026-07", [])
        rows = [row | {"my_text": "new"} for row in lines("2026-09", [99.0, 0.1], "restated")]
        deliver_cur2(self.bucket, "", "cur", "2026-09", rows)


@pytest.fixture
def world(clickhouse_server: ClickHouseConfig, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world", clickhouse_server)
    yield made
    made.close()


def test_a_load_killed_at_any_statement_ends_as_if_undisturbed(world: World) -> None:
    world.publish()
    world.restate()
    world.keep()
    before = totals(world.database)
    files = world.load().steps
    statements = world.proxy.steps
    after, undisturbed = totals(world.database), published(world.database)
    assert (before, after) == (
        {"2026-07": 7.7, "2026-08": 8.0, "2026-09": 9.99},
        {"2026-08": 8.0, "2026-09": 99.1},
    )
    points = kill_points(statements, files)
    assert len(points) > 20
    for count, (number, file, step) in enumerate(points):
        world.back()
        assert world.load(number, file).status is None, step
        whole(totals(world.database), before, after, step)
        if count % 2:
            shutil.rmtree(world.dlt)
        assert world.load().status == 0, step
        assert published(world.database) == undisturbed, step
        assert leftovers(world.database) == []


def kill_points(statements: list[str], files: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """(statement, step in the working directory, what it is): of each pair one is 0."""
    changing = {_kind(text): n for n, text in enumerate(statements, 1) if _CHANGES.match(text)}
    others = [n for n in range(1, len(statements) + 1) if n not in changing.values()]
    wanted = sorted({*changing.values(), *others[::STRIDE]})
    found = [(n, 0, statements[n - 1]) for n in wanted]
    in_folder = range(STRIDE, len(files) + 1, 5 * STRIDE)
    return found + [(0, n, files[n - 1]) for n in in_folder]


def _kind(statement: str) -> str:
    """What two partitions have in common is one kill point, at the second."""
    return re.sub(r"_[0-9a-f]{12}|\d{4}-\d\d|'.*'", "", statement)[:60]


def whole(seen: dict[str, float], old: dict[str, float], new: dict[str, float], step: str) -> None:
    """Every month that a reader finds is the old one or the new one; only an emptied one goes."""
    for month in old.keys() | new.keys():
        assert seen.get(month) in (old.get(month), new.get(month)), (step, month)


# The server.


@pytest.fixture
def own_world(own_server: Server, tmp_path: Path) -> Iterator[World]:
    """Two published months on a server of its own; one is restated in the bucket."""
    made = World(tmp_path / "world", own_server.config())
    deliver(made.bucket, "2026-08", [8.0])
    deliver(made.bucket, "2026-09", [9.0, 0.9])
    assert made.load().status == 0
    deliver(made.bucket, "2026-09", [0.001] * 5_000, files=2, prefix="restated")
    yield made
    made.server.close()
    if not own_server.is_running:
        own_server.start()
    made.close()


OLD, NEW = {"2026-08": 8.0, "2026-09": 9.9}, {"2026-08": 8.0, "2026-09": 5.0}
STATEMENTS = {
    "staging": "create table _stage_",
    "insert": r"insert into .*_raw \(",
    "view": "create materialized view _stage_",
    "publish-raw": "alter table aws_costs__cur replace",
    "publish-normalised": "alter table normalized_aws replace",
    "history": "insert into deliveries",
    "row-of-dlt": "INSERT INTO .*cur_deliveries. FORMAT JSON",
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_server_that_is_killed_and_back_in_time_has_the_load_done_in_the_same_run(
    own_world: World, own_server: Server, name: str
) -> None:
    def kill_and_start() -> None:
        own_server.kill()
        own_server.start()

    own_world.proxy.watch(STATEMENTS[name], kill_and_start, "during")
    assert own_world.harness.run("load").status == 0
    assert len([s for s in own_world.proxy.steps if re.match(STATEMENTS[name], s)]) > 1
    assert totals(own_world.database) == NEW
    assert leftovers(own_world.database) == []
    state = published(own_world.database)
    assert {part: len(rows) for part, rows in state.items()} == {
        "raw": 5_001,
        "normalised": 5_001,
        "costs": 5_001,
        "history": 3,
        "provider": 2,
        "loaded": 2,
    }
    assert own_world.load().status == 0
    assert published(own_world.database) == state


@pytest.mark.parametrize("name", ["insert", "publish-normalised"])
def test_a_server_that_stays_away_is_named_and_the_next_run_makes_it_good(
    own_world: World, own_server: Server, name: str
) -> None:
    own_world.proxy.watch(STATEMENTS[name], lambda: _kill(own_server), "during")
    command = [sys.executable, "-m", "pipelines", "load"]
    ran = subprocess.run(command, cwd=ROOT, env=own_world.environ, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "aws: 0 loaded, 1 unchanged, 1 failed\n")
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("aws 2026-09: ")]
    assert "ClickHouse at localhost" in line
    assert "Traceback" not in ran.stderr
    assert own_server.password not in ran.stdout + ran.stderr
    own_server.start()
    assert totals(own_world.database) in (OLD, NEW)
    assert own_world.load().status == 0
    assert totals(own_world.database) == NEW
    assert leftovers(own_world.database) == []


def _kill(server: Server) -> None:
    server.kill()


# The network between them.


@pytest.mark.parametrize("when", ["instead", "during"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_connection_that_breaks_has_the_load_done_in_the_same_run(
    clickhouse: ClickHouseConfig,
    aws_bucket: FolderBucket,
    commands: Commands,
    name: str,
    when: When,
) -> None:
    with Proxy(clickhouse) as proxy:
        commands.set(environ(proxy.config, aws_bucket.root))
        deliver(aws_bucket.root, "2026-09", [9.0, 0.9])
        assert commands("load").status == 0
        deliver(aws_bucket.root, "2026-09", [1.0, 2.0, 4.0], files=2)
        proxy.watch(STATEMENTS[name], lambda: None, when)
        ran = commands("load")
        assert (ran.status, ran.out) == (0, "aws: 1 loaded, 0 unchanged, 0 failed\n"), ran
        assert totals(clickhouse) == {"2026-09": 7.0}
        assert leftovers(clickhouse) == []
        state = published(clickhouse)
        assert [len(state[part]) for part in ("raw", "history", "provider")] == [3, 2, 1]
        assert commands("load").out == "aws: 0 loaded, 1 unchanged, 0 failed\n"
        assert published(clickhouse) == state


def test_rows_that_a_staged_file_brought_without_being_normalised_are_not_published(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    def drop_views() -> None:
        with ClickHouseManager(clickhouse) as manager:
            for name in leftovers(clickhouse):
                if "_view" in name:
                    manager.execute(f"drop view {name} sync")

    with Proxy(clickhouse) as proxy:
        commands.set(environ(proxy.config, aws_bucket.root))
        deliver(aws_bucket.root, "2026-09", [9.0, 0.9])
        assert commands("load").status == 0
        deliver(aws_bucket.root, "2026-09", [1.0, 2.0, 4.0], files=2)
        proxy.watch(STATEMENTS["insert"], drop_views, "before")
        ran = commands("load")
        assert (ran.status, ran.out) == (1, "aws: 0 loaded, 0 unchanged, 1 failed\n"), ran
        assert "normalised rows were staged, the files make 3. Run again." in ran.err
        assert totals(clickhouse) == {"2026-09": 9.9}
        assert leftovers(clickhouse) == []
        assert commands("load").status == 0
        assert totals(clickhouse) == {"2026-09": 7.0}
