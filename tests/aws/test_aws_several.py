"""Several exports at once, of one payer account each, on both destinations."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import ConfigurationError, Selection
from pipelines.providers.aws.several import names_of
from scripts.sandbox.aws.delivery import deliver_cur2, deliver_focus
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ
from tests.support.world import World

#: The checks that join partitions by their key.
OF_KEYS = ("aws_conservation", "mart_complete", "mixed_deliveries")
BOTH = json.dumps(["eu/daily", "us/daily"])


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def deliver(world: World, payer: str, period: str, costs: list[float], account: str = "") -> None:
    rows = lines(period, costs, payer)
    for row in rows:
        row["bill_payer_account_id"] = account or payer * 6
    deliver_cur2(world.bucket, payer, "daily", period, rows)


def billed(world: World) -> dict[str, float]:
    """By partition, equal on both destinations."""
    local: dict[str, float] = {}
    for path in sorted((world.commands.data / "marts" / "costs").glob("*.parquet")):
        table = pq.ParquetFile(path).read(["x_partition", "billed_cost"])
        for row in table.to_pylist():
            local[row["x_partition"]] = local.get(row["x_partition"], 0) + row["billed_cost"]
    there = world.query("select x_partition, sum(billed_cost) from costs group by 1 order by 1")
    assert dict(there) == local
    return local


def choose(world: World, export: str) -> None:
    world.commands.set({"SOURCES__AWS__EXPORT": export})


@pytest.mark.quick("*")
@pytest.mark.parametrize("export", [BOTH, "*", '["us/daily","eu/daily"]'])
def test_exports_of_two_payers_are_loaded_side_by_side(world: World, export: str) -> None:
    deliver(world, "eu", "2026-09", [1.0])
    deliver(world, "eu", "2026-10", [2.0])
    deliver(world, "us", "2026-10", [40.0])
    choose(world, export)
    world.both()
    assert billed(world) == {
        "2026-09@eu.daily": 1.0,
        "2026-10@eu.daily": 2.0,
        "2026-10@us.daily": 40.0,
    }
    for destination in ("filesystem", "clickhouse"):
        again = world.well(f"--destination={destination}")
        assert again == "aws: 0 loaded, 3 unchanged, 0 failed\n"
        status = world.commands("status", f"--destination={destination}").out
        assert "2026-10@us.daily" in status
        assert "0 failed" in world.commands.checked(*OF_KEYS, destination=destination)


@pytest.mark.thorough
def test_a_restated_month_of_one_export_leaves_the_others_alone(world: World) -> None:
    deliver(world, "eu", "2026-10", [2.0, 3.0])
    deliver(world, "us", "2026-10", [40.0])
    choose(world, "*")
    world.both()
    deliver(world, "eu", "2026-10", [7.0])
    world.both()
    assert billed(world) == {"2026-10@eu.daily": 7.0, "2026-10@us.daily": 40.0}


@pytest.mark.thorough
@pytest.mark.quick("True")
@pytest.mark.parametrize("is_restated", [False, True])
def test_going_from_one_export_to_several_and_back_keeps_every_month_once(
    world: World, is_restated: bool
) -> None:
    deliver(world, "eu", "2026-09", [1.0])
    deliver(world, "eu", "2026-10", [2.0])
    choose(world, "eu/daily")
    world.both()
    before = {"2026-09": 1.0, "2026-10": 2.0}
    assert billed(world) == before
    if is_restated:  # meanwhile
        deliver(world, "eu", "2026-09", [5.0])
        deliver(world, "eu", "2026-10", [6.0])
        before = {"2026-09": 5.0, "2026-10": 6.0}
    deliver(world, "us", "2026-10", [40.0])
    choose(world, BOTH)
    world.both()
    several = before | {"2026-10@us.daily": 40.0}
    assert billed(world) == several
    deliver(world, "eu", "2026-10", [3.0])
    deliver(world, "eu", "2026-11", [4.0])
    choose(world, "eu/daily")
    ran = world.load("--destination=clickhouse")
    assert "us.daily is not configured any more. What is published of it stays." in ran.err
    world.both()
    assert billed(world) == several | {"2026-10": 3.0, "2026-11@eu.daily": 4.0}


@pytest.mark.thorough
def test_a_month_whose_files_expired_stays_when_a_second_export_comes(world: World) -> None:
    deliver(world, "eu", "2026-09", [1.0])
    deliver(world, "eu", "2026-10", [2.0])
    world.both()
    world.bucket.delete("eu/daily/data/BILLING_PERIOD=2026-09/daily-00001.snappy.parquet")
    deliver(world, "us", "2026-09", [40.0])
    choose(world, "*")
    world.both()
    assert billed(world) == {"2026-09": 1.0, "2026-09@us.daily": 40.0, "2026-10": 2.0}


@pytest.mark.thorough
def test_the_month_of_a_payer_in_two_exports_is_refused_by_name(world: World) -> None:
    deliver(world, "eu", "2026-10", [2.0])
    rows = lines("2026-10", [2.0])
    for row in rows:
        row["bill_payer_account_id"] = "eu" * 6
    deliver_focus(world.bucket, "", "focus", "2026-10", rows)
    deliver_focus(world.bucket, "", "focus", "2026-11", rows)
    choose(world, "*")
    world.both(status=1)
    # the month that only one of them has is not counted twice
    assert billed(world) == {"2026-10@eu.daily": 2.0, "2026-11@focus": 2.0}
    error = (
        "aws 2026-10@focus: payer account eueueueueueu is in 2026-10@eu.daily, too: its cost would "
        "be counted twice. Name one export of each payer in SOURCES__AWS__EXPORT."
    )
    assert error in world.load().err
    assert "2026-10@focus" in world.commands("check").out
    choose(world, "eu/daily")
    world.both()
    for destination in ("filesystem", "clickhouse"):
        assert "2026-10@focus" not in world.commands("check", f"--destination={destination}").out


@pytest.mark.thorough
def test_an_export_that_names_no_payer_cannot_be_told_apart(world: World) -> None:
    deliver(world, "eu", "2026-10", [2.0])
    rows = lines("2026-10", [3.0])
    for row in rows:
        del row["bill_payer_account_id"]
    deliver_cur2(world.bucket, "us", "daily", "2026-10", rows)
    choose(world, "*")
    world.both(status=1)
    assert billed(world) == {"2026-10@eu.daily": 2.0}


@pytest.mark.thorough
def test_another_payers_export_never_replaces_a_month_when_there_are_several(world: World) -> None:
    """No published month is known by its fingerprint: accounts tell whose it is."""
    deliver(world, "us", "2026-10", [40.0])
    world.both()
    deliver(world, "us", "2026-10", [41.0])
    deliver(world, "eu", "2026-10", [2.0])
    choose(world, BOTH)  # the first one is taken for the owner
    world.both(status=1)
    assert billed(world) == {"2026-10": 40.0}
    assert "Load the export of the published months alone once" in world.load().err
    choose(world, "us/daily")
    world.both()
    choose(world, BOTH)
    world.both()
    assert billed(world) == {"2026-10": 41.0, "2026-10@eu.daily": 2.0}


@pytest.mark.thorough
def test_one_export_of_several_can_be_selected(world: World) -> None:
    for payer in ("eu", "us"):
        deliver(world, payer, "2026-09", [1.0])
        deliver(world, payer, "2026-10", [2.0])
    choose(world, "*")
    key = "2026-10@us.daily"
    assert world.well(f"--from={key}", f"--to={key}") == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert world.well("--from=2026-10") == "aws: 1 loaded, 1 unchanged, 0 failed\n"


@pytest.mark.parametrize(
    ("first", "last", "keys"),
    [
        ("2026-10", "2026-10", ["2026-10", "2026-10@a", "2026-10@ab", "2026-10@b"]),
        ("2026-10@a", "2026-10@a", ["2026-10@a"]),
        ("2026-10@b", None, ["2026-10@b", "2026-11"]),
        (None, "2026-10@a", ["2026-09@b", "2026-10", "2026-10@a"]),
        ("2026-10-05", "2026-10-31", ["2026-10", "2026-10@a", "2026-10@ab", "2026-10@b"]),
        ("2026", "2026", ["2026-09@b", "2026-10", "2026-10@a", "2026-10@ab", "2026-10@b",
                          "2026-11"]),
    ],
)  # fmt: skip
def test_a_selection_knows_partitions_of_several_exports(
    first: str | None, last: str | None, keys: list[str]
) -> None:
    known = ["2026-09@b", "2026-10", "2026-10@a", "2026-10@ab", "2026-10@b", "2026-11"]
    assert [key for key in known if key in Selection(first, last)] == keys


def test_a_list_of_names_may_come_in_any_form() -> None:
    assert names_of(None) == names_of("") == names_of([]) == ()
    assert names_of("a") == names_of(["a"]) == names_of('["a"]') == ("a",)
    with pytest.raises(ConfigurationError, match=r'Write a list as \["one","another"\]'):
        names_of("[a")


@pytest.mark.thorough
def test_two_exports_that_keys_would_call_the_same_are_refused(world: World) -> None:
    deliver(world, "eu", "2026-10", [2.0])
    deliver_cur2(world.bucket, "", "eu.daily", "2026-10", lines("2026-10", [1.0]))
    choose(world, "*")
    ran = world.load()
    assert ran.status == 2
    assert "would both be called eu.daily in partitions" in ran.err
