"""kill -9 of the loader at every statement, and of the server in the middle of one.

Afterwards the same command ends as if nothing had happened, and between the two a reader finds
every month as it was or as it is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import FolderBucket
from tests.support.clickhouse.databases import Template
from tests.support.clickhouse.proxy import Proxy, When
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.kill.harness import Harness
from tests.support.kill.points import TIERS, of_tables
from tests.support.kill.worlds import Tables, end_as_if_undisturbed, seen_whole
from tests.support.providers.aws_months import deliver, lines
from tests.support.published_clickhouse import environ, leftovers, published, totals

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def restated(
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    """Three published months, of which one is emptied in the bucket and one has other rows in fewer
    files and a new column."""
    made = Tables(harness, tmp_path, clickhouse_server, template=clickhouse_template)
    deliver(made.bucket, "2026-07", [7.0, 0.7])
    deliver(made.bucket, "2026-08", [8.0])
    deliver(made.bucket, "2026-09", [9.0, 0.9, 0.09], files=2)
    made.well("load")
    deliver(made.bucket, "2026-07", [])
    rows = [row | {"my_text": "new"} for row in lines("2026-09", [99.0, 0.1], "restated")]
    deliver_cur2(FolderBucket(made.bucket), "", "cur", "2026-09", rows)
    made.keep()
    yield made
    made.close()


@TIERS
def test_a_load_killed_at_any_statement_ends_as_if_undisturbed(restated: Tables, tier: str) -> None:
    before = totals(restated.database)
    points = of_tables(restated.points("load"), tier)
    after = totals(restated.database)
    assert (before, after) == (
        {"2026-07": 7.7, "2026-08": 8.0, "2026-09": 9.99},
        {"2026-08": 8.0, "2026-09": 99.1},
    )
    assert len(points) == 4 if tier == "quick" else len(points) > 20
    end_as_if_undisturbed(
        restated,
        "load",
        points,
        ["load"],
        partial(published, restated.database),
        lambda step: seen_whole(totals(restated.database), before, after, step),
    )


# The server.


@pytest.fixture
def own_world(own_server: Server, harness: Harness, tmp_path: Path) -> Iterator[Tables]:
    """Two published months on a server of its own; one is restated in the bucket."""
    made = Tables(harness, tmp_path, own_server.config())
    deliver(made.bucket, "2026-08", [8.0])
    deliver(made.bucket, "2026-09", [9.0, 0.9])
    made.well("load")
    deliver(made.bucket, "2026-09", [0.001] * 5_000, files=2, prefix="restated")
    yield made
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
}


#: With data in flight.
QUICK = ("insert", "publish-normalised")
EVERY = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.thorough) for name in STATEMENTS
]


@pytest.mark.parametrize("name", EVERY)
def test_a_server_that_is_killed_and_back_in_time_has_the_load_done_in_the_same_run(
    own_world: Tables, own_server: Server, name: str
) -> None:
    def kill_and_start() -> None:
        own_server.kill()
        own_server.start()

    assert own_world.run_through("load", STATEMENTS[name], kill_and_start).status == 0
    assert len([s for s in own_world.proxy.steps if re.match(STATEMENTS[name], s)]) > 1
    assert totals(own_world.database) == NEW
    assert leftovers(own_world.database) == []
    state = published(own_world.database)
    assert {part: len(rows) for part, rows in state.items()} == {
        "raw": 5_001,
        "normalised": 5_001,
        "costs": 5_001,
        "history": 3,
        "days": 76,
        "provider": 2,
        "loaded": 2,
    }
    assert own_world.run("load").status == 0
    assert published(own_world.database) == state


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["insert", pytest.param("publish-normalised", marks=pytest.mark.thorough)]
)
def test_a_server_that_stays_away_is_named_and_the_next_run_makes_it_good(
    own_world: Tables, own_server: Server, name: str
) -> None:
    own_world.proxy.watch(STATEMENTS[name], lambda: _kill(own_server), "during")
    command = [sys.executable, "-m", "pipelines", "load"]
    environ = own_world.environ | {"CLICKHOUSE_RETRY_SECONDS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "aws: 0 loaded, 1 unchanged, 1 failed\n")
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("aws 2026-09: ")]
    assert "ClickHouse at localhost" in line
    assert "Traceback" not in ran.stderr
    assert own_server.password not in ran.stdout + ran.stderr
    own_server.start()
    assert totals(own_world.database) in (OLD, NEW)
    assert own_world.run("load").status == 0
    assert totals(own_world.database) == NEW
    assert leftovers(own_world.database) == []


def _kill(server: Server) -> None:
    server.kill()


# The network between them.


@pytest.mark.quick("insert-instead", "publish-normalised-during")
@pytest.mark.parametrize("when", ["instead", "during"])
@pytest.mark.parametrize("name", EVERY)
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


@pytest.mark.thorough
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
        assert "normalised rows were staged, the files give 3. Run again." in ran.err
        assert totals(clickhouse) == {"2026-09": 9.9}
        assert leftovers(clickhouse) == []
        assert commands("load").status == 0
        assert totals(clickhouse) == {"2026-09": 7.0}
