"""`prune`: old partitions go whole, on both destinations, and do not come back by themselves."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from pipelines.cli.retention import first_kept
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import ConfigurationError
from tests.conftest import FolderBucket, S3Bucket
from tests.support.clickhouse.databases import Template
from tests.support.commands import Commands
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, Point, of_files, of_tables
from tests.support.kill.worlds import Files, Tables, end_as_if_undisturbed
from tests.support.providers.aws_months import deliver
from tests.support.published import leftovers, published
from tests.support.published_clickhouse import environ, query
from tests.support.published_clickhouse import leftovers as leftover_tables
from tests.support.published_clickhouse import published as published_tables

NOW = datetime.now(UTC)
#: Three months ago to this one.
MONTHS = [first_kept([str(back)], NOW) for back in (4, 3, 2, 1)]
BOTH = ("filesystem", "clickhouse")
PRUNE = ("prune", "--keep", "2", "months", "--yes")


@pytest.mark.parametrize(
    ("keep", "first"),
    [
        (["13"], "2025-10"),
        (["13", "months"], "2025-10"),
        (["13 months"], "2025-10"),
        (["1", "month"], "2026-10"),
        (["11"], "2025-12"),
        (["10"], "2026-01"),
    ],
)
def test_so_many_months_are_this_one_and_those_before_it(keep: list[str], first: str) -> None:
    assert first_kept(keep, datetime(2026, 10, 31, 23, 59, tzinfo=UTC)) == first


@pytest.mark.parametrize("keep", [["0"], ["-1"], ["13", "days"], ["13", "months", "aws"], ["x"]])
def test_what_is_no_number_of_months_is_refused(keep: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="is not a number of months"):
        first_kept(keep, NOW)


def test_the_command_ends_with_2_on_what_is_no_number_of_months(commands: Commands) -> None:
    ran = commands("prune", "--keep", "13", "months", "aws")
    assert (ran.status, ran.out) == (2, "")
    assert "and sources before it: prune aws --keep 13 months" in ran.err


@pytest.fixture(params=BOTH)
def loaded(
    request: pytest.FixtureRequest,
    aws_bucket: FolderBucket,
    commands: Commands,
) -> Commands:
    """Four months on the destination."""
    for number, month in enumerate(MONTHS, 1):
        deliver(aws_bucket.root, month, [float(number), 0.5])
    commands.read_from(aws_bucket.url)
    commands.set({"DLT_DESTINATION": request.param})
    if request.param == "clickhouse":
        commands.set(environ(request.getfixturevalue("clickhouse"), aws_bucket.root))
    reload(commands)
    return commands


def reload(commands: Commands, *options: str) -> str:
    """Load, normalise where that is a step of its own; what the load said last."""
    ran = commands("load", *options)
    assert (ran.status, ran.err.count("error")) == (0, 0), ran
    commands.well("normalize")
    return ran.out.splitlines()[-1]


def billed(commands: Commands) -> dict[str, list[str]]:
    """`status`: rows and state by partition."""
    lines = [line for line in commands("status").out.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    return {row[0]: [row[1], row[2], row[-1]] for row in cells}


@pytest.mark.quick("filesystem")
def test_a_dry_run_names_what_would_go_and_changes_nothing(loaded: Commands) -> None:
    before = billed(loaded)
    ran = loaded("prune", "--keep", "2")
    assert ran.status == 0
    assert [line.strip("│ ") for line in ran.out.splitlines() if line[0] == "│"] == MONTHS[:2]
    assert ran.out.splitlines()[-2:] == [
        f"aws: would remove 2, would keep 2, from {MONTHS[2]} on",
        "Nothing was changed. --yes removes them; the history in deliveries stays.",
    ]
    assert billed(loaded) == before
    assert list(before) == MONTHS
    assert reload(loaded) == "aws: 0 loaded, 4 unchanged, 0 failed"


@pytest.mark.quick("filesystem")
def test_what_is_pruned_stays_away_and_no_check_misses_it(loaded: Commands) -> None:
    ran = loaded(*PRUNE)
    assert (ran.status, ran.out) == (0, f"aws: 2 removed, 2 kept, from {MONTHS[2]} on\n")
    removed = [f"aws {month}: removed" for month in MONTHS[:2]]
    assert [line for line in ran.err.splitlines() if not line.startswith("mart ")] == removed
    kept = {MONTHS[2]: ["2", "3.50", "current"], MONTHS[3]: ["2", "4.50", "current"]}
    assert billed(loaded) == kept
    for options in ([], ["--force"], ["--to", MONTHS[3]]):
        said = reload(loaded, *options)
        assert said.endswith(" unchanged, 0 failed")
        assert billed(loaded) == kept
    checked = loaded("check")
    assert checked.status == 0, checked.out
    assert loaded(*PRUNE).out == f"aws: 0 removed, 2 kept, from {MONTHS[2]} on\n"


@pytest.mark.thorough
def test_from_brings_a_pruned_month_back_and_checks_are_about_it_again(loaded: Commands) -> None:
    loaded.well("status")
    assert loaded(*PRUNE).status == 0
    assert reload(loaded, "--from", MONTHS[1]) == "aws: 1 loaded, 2 unchanged, 0 failed"
    assert list(billed(loaded)) == MONTHS[1:]
    assert loaded("check").status == 0
    assert reload(loaded) == "aws: 0 loaded, 2 unchanged, 0 failed"
    assert loaded(*PRUNE).out == f"aws: 1 removed, 2 kept, from {MONTHS[2]} on\n"


@pytest.mark.thorough
@pytest.mark.quick("filesystem")
def test_a_longer_retention_lets_the_months_come_back(loaded: Commands) -> None:
    assert loaded(*PRUNE).status == 0
    assert loaded("prune", "--keep", "4", "--yes").status == 0
    assert reload(loaded) == "aws: 2 loaded, 2 unchanged, 0 failed"
    assert list(billed(loaded)) == MONTHS


@pytest.mark.thorough
def test_the_history_stays_and_nothing_else(
    loaded: Commands, request: pytest.FixtureRequest
) -> None:
    assert loaded(*PRUNE).status == 0
    if "clickhouse" in request.node.callspec.id:
        clickhouse = request.getfixturevalue("clickhouse")
        sql = "select partition from {} group by 1 order by 1"
        of = {t: [r[0] for r in query(clickhouse, sql.format(t))] for t in TABLES}
        assert of == dict.fromkeys(TABLES, MONTHS[2:]) | {"deliveries": MONTHS}
        assert leftover_tables(clickhouse) == []
        return
    state = published(loaded.data)
    named = {part: sorted(found) for part, found in state.items()}
    assert named == {
        "raw": [f"billing_period={month}" for month in MONTHS[2:]],
        "normalised": [f"normalized_aws/billing_period={m}/data.parquet" for m in MONTHS[2:]],
        "costs": [
            f"marts/{mart}/aws-{month}.parquet"
            for mart in ("costs", "costs_daily", "costs_split")
            for month in MONTHS[2:]
        ],
        "history": [f"aws-{month}.parquet" for month in MONTHS],
    }
    assert leftovers(loaded.data) == []
    assert [p for p in loaded.data.rglob("*") if MONTHS[0] in p.name] == [
        loaded.data / "deliveries" / f"aws-{MONTHS[0]}.parquet"
    ]


TABLES = ("raw_partitions", "published_partitions", "provider_partitions", "deliveries")


@pytest.mark.thorough
def test_an_object_store_is_pruned_as_well(
    s3: S3Bucket, aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{s3.url}/data"})
    commands.set(s3.dlt_environ("DESTINATION__FILESYSTEM"))
    for month in MONTHS[1:3]:
        deliver(aws_bucket.root, month, [1.0])
    reload(commands)
    assert commands(*PRUNE).out == f"aws: 1 removed, 1 kept, from {MONTHS[2]} on\n"
    keys = [key for key in s3.target.keys(prefix="") if MONTHS[1] in key and "_dlt" not in key]
    assert keys == [f"data/deliveries/aws-{MONTHS[1]}.parquet"]
    assert reload(commands) == "aws: 0 loaded, 1 unchanged, 0 failed"


# kill -9, and the same command again; or a load, which finishes it, too.


@THOROUGH
def test_a_prune_of_files_killed_at_any_step_ends_as_if_undisturbed(
    harness: Harness, tmp_path: Path, tier: str
) -> None:
    world = Files(harness, tmp_path)
    for month in MONTHS:
        deliver(world.bucket, month, [1.0, 0.5])
    world.well("load", "normalize --no-marts")
    world.keep()
    every = world.points(" ".join(PRUNE))
    # from here on marts are computed: killed in test_local_marts.py
    marts = next(each.file for each in every if each.what.endswith("marts.lock"))
    points = of_files([each for each in every if each.file < marts], tier)
    assert len(published(world.data)["raw"]) == 2
    assert len(points) > 6

    def rest(point: Point) -> list[str]:
        noted = list(world.data.glob("aws_costs/_retention_cur.json"))
        return ["load", "normalize"] if noted and point.file % 2 == 1 else [" ".join(PRUNE)]

    state = partial(published, world.data)
    end_as_if_undisturbed(world, " ".join(PRUNE), points, rest, state, _nothing_is_asked)


@THOROUGH
def test_a_prune_of_tables_killed_at_any_statement_ends_as_if_undisturbed(
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
    tier: str,
) -> None:
    with closing(
        Tables(harness, tmp_path, clickhouse_server, template=clickhouse_template)
    ) as world:
        for month in MONTHS[1:]:
            deliver(world.bucket, month, [1.0, 0.5])
        world.well("load")
        world.keep()
        every = world.points(" ".join(PRUNE))
        # from here on marts are computed: killed in test_stored_marts.py
        marts = next(each.statement for each in every if "_lock_marts" in each.what)
        points = of_tables([each for each in every if each.statement < marts], tier)
        assert len(points) >= 5

        def rest(point: Point) -> list[str]:
            noted = query(world.database, "select count() from retention")[0][0]
            return ["load"] if noted and (point.statement or point.file) % 2 else [" ".join(PRUNE)]

        state = partial(published_tables, world.database)
        end_as_if_undisturbed(world, " ".join(PRUNE), points, rest, state, _nothing_is_asked)


def _nothing_is_asked(step: str) -> None:
    """Pruned months go one by one: in between, a reader may find any of them."""
