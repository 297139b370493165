"""Normalise here, ingest there: the local normalised files into ClickHouse, on the real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import NOT_CONFIGURED, ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.tables.sources import COST_SOURCES
from scripts.sandbox.aws import months
from tests.conftest import ROOT, FolderBucket, S3Bucket
from tests.support.clickhouse.proxy import Proxy, Victim
from tests.support.commands import Commands, Ran
from tests.support.kill.harness import Ended, Harness
from tests.support.kill.points import THOROUGH, of_tier
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ, fingerprints, leftovers
from tests.support.twins import Twins, differences
from tests.support.world import World

TAGS = ("Environment", "Team", "Application")
SAID = "aws: {} ingested, {} unchanged, 0 failed\n"


class IngestingWorld(World):
    """A world in which months are normalised locally and ingested into the database."""

    def normalise(self, period: str, costs: list[float], **options: Any) -> None:
        """Deliver a month and bring it to the local destination."""
        self.normalise_rows(period, lines(period, costs), **options)

    def normalise_rows(self, period: str, rows: list[dict[str, Any]], **options: Any) -> None:
        keyed = [row | {"pricing_rate_code": f"{n:05}"} for n, row in enumerate(rows)]
        self.deliver_rows(period, keyed, **options)
        self.local("load", "normalize")

    def local(self, *commands: str) -> None:
        """Commands on the local destination."""
        options = {"load": "--destination=filesystem", "normalize": "--no-marts"}
        for command in commands:
            ran = self.commands(command, options[command])
            assert ran.status == 0, ran

    def ingest(self, *options: str) -> Ran:
        return self.commands("ingest", *options)

    def well(self, *options: str) -> str:
        """An ingest that has to end well and leave nothing behind; what it prints."""
        return self.ended_well(self.ingest(*options))

    def billed(self) -> dict[str, list[float]]:
        """`billed_cost` in `costs` by partition, sorted."""
        sql = "select x_partition, arraySort(groupArray(billed_cost)) from costs group by 1"
        return dict(sorted(self.query(sql)))

    def mart(self, period: str, tags: tuple[str, ...] = TAGS) -> pa.Table:
        """The local mart of a month, as its readers see it."""
        path = self.commands.data / "marts" / "costs" / f"aws-{period}.parquet"
        table = pq.ParquetFile(path).read().replace_schema_metadata()
        assert table.schema == reader(self.database, tags).schema
        return table

    def published(self, period: str, tags: tuple[str, ...] = TAGS) -> pa.Table:
        """The same month as readers of the server see it."""
        return reader(self.database, tags).read(period)

    def file(self, period: str) -> Path:
        """A normalised file."""
        return self.commands.data / "normalized_aws" / f"billing_period={period}" / "data.parquet"


def reader(database: ClickHouseConfig, tags: tuple[str, ...]) -> Twins:
    return Twins(database, Path(), tags, Warehouse(database, tags))


@pytest.fixture
def world(
    aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands
) -> IngestingWorld:
    commands.set(environ(clickhouse, aws_bucket.root))
    return IngestingWorld(aws_bucket, clickhouse, commands)


# What an ingest publishes.


@pytest.mark.thorough
def test_ingested_months_are_the_local_mart_row_for_row(world: IngestingWorld) -> None:
    period = months.PERIODS[1]
    world.normalise_rows(period, months.line_items(period), files=2)
    world.normalise("2026-10", [1.0, 2.5])
    assert world.well() == SAID.format(2, 0)
    for month in (period, "2026-10"):
        local = world.mart(month)
        assert local.num_rows == {period: 6807, "2026-10": 2}[month]
        assert differences(local, world.published(month)) == []


def test_ingesting_gives_what_loading_raw_gives(world: IngestingWorld) -> None:
    period = months.PERIODS[2]
    world.normalise_rows(period, months.line_items(period)[::10])
    world.well()
    ingested = world.published(period)
    assert world.commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    loaded = world.published(period)
    of_a_run = ["x_dlt_load_id"]
    assert ingested.num_rows > 500
    assert differences(loaded.drop_columns(of_a_run), ingested.drop_columns(of_a_run)) == []


def test_an_ingest_without_change_does_nothing(world: IngestingWorld) -> None:
    world.normalise("2026-09", [9.0])
    assert world.well() == SAID.format(1, 0)
    before = [sorted(world.query(f"select * from {t}"), key=repr) for t in ("deliveries", "costs")]
    loads = world.query("select count() from aws_costs___dlt_loads")
    ran = world.ingest()
    assert (ran.status, ran.out, ran.err) == (0, SAID.format(0, 1), "")
    after = [sorted(world.query(f"select * from {t}"), key=repr) for t in ("deliveries", "costs")]
    assert after == before
    assert world.query("select count() from aws_costs___dlt_loads") == loads


@pytest.mark.thorough
def test_a_restated_month_replaces_the_old_one(world: IngestingWorld) -> None:
    world.normalise("2026-09", [9.0])
    world.normalise("2026-10", [1.0, 2.0])
    world.well()
    for costs in ([1.0], [1.0, 2.0, 3.0, 4.0], [], [7.0, 8.0]):
        world.normalise("2026-10", costs)
        assert world.well() == SAID.format(1, 1)
        assert world.billed() == {"2026-09": [9.0]} | ({"2026-10": costs} if costs else {})
        assert world.well() == SAID.format(0, 2)


@pytest.mark.thorough
def test_a_delivery_says_recipe_files_bytes_and_when(world: IngestingWorld) -> None:
    world.normalise("2026-10", [1.0, 2.5], files=2)
    world.well()
    delivery = world.commands.delivery("2026-10")
    footer = pq.read_metadata(world.file("2026-10")).metadata
    columns = """word, partition, fingerprint, files, bytes, rows, billed, effective,
        billing_currency, recipe, toString(delivered_at)"""
    delivered = delivery["delivered_at"].replace("T", " ").removesuffix("+00:00")
    assert world.query(f"select {columns} from deliveries") == [
        ("aws", "2026-10", delivery["fingerprint"], 1, world.file("2026-10").stat().st_size, 2, 3.5,
         3.5, "USD", footer[b"recipe"].decode(), (delivered + ".000000")[:26])
    ]  # fmt: skip
    age = "select now64() - max(published_at) between 0 and 600 from deliveries"
    assert world.query(age) == [(1,)]


@pytest.mark.thorough
def test_from_and_to_choose_the_months(world: IngestingWorld) -> None:
    for period in ("2026-07", "2026-08", "2026-09", "2026-10"):
        world.normalise(period, [float(period[-2:])])
    assert world.well("--from", "2026-08", "--to", "2026-09") == SAID.format(2, 0)
    assert world.billed() == {"2026-08": [8.0], "2026-09": [9.0]}
    assert world.well("--from", "2026-09", "--force") == SAID.format(2, 0)
    assert world.billed() == {"2026-08": [8.0], "2026-09": [9.0], "2026-10": [10.0]}


@pytest.mark.thorough
def test_a_dry_run_says_what_it_would_do_and_does_nothing(world: IngestingWorld) -> None:
    world.normalise("2026-09", [9.0])
    world.well()
    world.normalise("2026-09", [99.0])
    world.normalise("2026-10", [1.0])
    world.normalise("2026-08", [8.0])
    world.well("--to", "2026-08")
    ran = world.ingest("--dry-run")
    rows = [line.split("│")[1:4] for line in ran.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["2026-08", "unchanged", "1"],
        ["2026-09", "changed", "1"],
        ["2026-10", "new", "1"],
    ]
    assert (ran.status, world.billed()) == (0, {"2026-08": [8.0], "2026-09": [9.0]})


# Rules and tag columns.


@pytest.mark.thorough
def test_other_tag_columns_are_ingested_again_after_the_tables_have_them(
    world: IngestingWorld,
) -> None:
    world.normalise("2026-10", [1.0])
    world.well()
    world.commands.set({"NORMALIZE__TAG_COLUMNS": '["Environment", "Owner"]'})
    world.local("normalize")
    ran = world.ingest()
    assert (ran.status, ran.out.splitlines()[-1] + "\n") == (0, SAID.format(1, 0)), ran
    tags = ("Environment", "Owner")
    assert differences(world.mart("2026-10", tags), world.published("2026-10", tags)) == []
    assert world.query("select tag_environment, tag_owner from costs") == [("prod", None)]
    assert world.well() == SAID.format(0, 1)


@pytest.mark.thorough
@pytest.mark.quick("ours0-theirs0-tag_team")
@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        (["Environment", "Team"], ["Environment"], "tag_team"),
        (["Environment"], ["Environment", "Team"], "tag_team"),
    ],
)
def test_files_with_other_tag_columns_are_refused_with_the_fix(
    world: IngestingWorld, ours: list[str], theirs: list[str], named: str
) -> None:
    world.commands.set({"NORMALIZE__TAG_COLUMNS": json.dumps(ours)})
    world.normalise("2026-10", [1.0])
    world.commands.set({"NORMALIZE__TAG_COLUMNS": json.dumps(theirs)})
    ran = world.ingest()
    assert (ran.status, ran.out.splitlines()[-1]) == (1, "aws: 0 ingested, 0 unchanged, 1 failed")
    assert ran.err.splitlines()[-1] == (
        f"aws 2026-10: only one of the file and normalized_aws has {named}. Give both sides the "
        "same normalize.tag_columns, then run: python -m pipelines normalize aws, "
        "make init-clickhouse"
    )
    assert (world.billed(), leftovers(world.database)) == ({}, [])
    world.local("normalize")
    assert world.well() == SAID.format(1, 0)


@pytest.mark.thorough
def test_ingested_months_stay_when_the_rules_of_raw_are_migrated(world: IngestingWorld) -> None:
    world.normalise("2026-09", [9.0])
    world.well()
    world.normalise("2026-10", [1.0])
    assert world.commands("load", "--from", "2026-10").status == 0
    told: list[str] = []
    migrate(world.database, ("Environment", "Owner"), told.append)
    assert told == [
        "to read again: normalized_aws: 2 rows in 2 partitions",
        *(
            f"rebuilt normalized_{source_name} from raw with the current columns and rules"
            for source_name in sorted(COST_SOURCES)
        ),
        "rebuilt costs_daily with the current columns and rules",
    ]
    assert world.billed() == {"2026-09": [9.0], "2026-10": [1.0]}
    rows = world.query("select x_partition, tag_environment, tag_owner from costs order by 1")
    assert rows == [("2026-09", "prod", None), ("2026-10", "prod", None)]


# Bad input.


def spoil_footer(path: Path, changes: Mapping[bytes, bytes | None]) -> None:
    table = pq.ParquetFile(path).read()
    footer = {k: v for k, v in {**table.schema.metadata, **changes}.items() if v is not None}
    path.unlink()
    pq.write_table(table.replace_schema_metadata(footer), path)


@pytest.mark.thorough
def test_files_that_are_not_ours_are_refused_and_the_others_go_on(world: IngestingWorld) -> None:
    months = ("2026-06", "2026-07", "2026-08", "2026-09", "2026-10")
    for period in months:
        world.deliver(period, [1.0])
    world.local("load", "normalize")
    world.well()
    for period in months:
        world.deliver(period, [2.0])
    world.local("load", "normalize")
    foreign, truncated, empty, misplaced = (world.file(period) for period in months[:4])
    spoil_footer(foreign, {b"recipe": None, b"delivered_at": None})
    for path, content in (
        (truncated, truncated.read_bytes()[:2000]),
        (empty, b""),
        (misplaced, world.file("2026-10").read_bytes()),
    ):
        path.unlink()  # the mart's file is a link of it
        path.write_bytes(content)
    ran = world.ingest()
    assert (ran.status, ran.out) == (1, "aws: 1 ingested, 0 unchanged, 4 failed\n")
    told = ran.err.splitlines()
    for period in months[:4]:
        again = f"python -m pipelines normalize aws --from {period} --to {period} --force"
        assert (
            f"aws {period}: {world.file(period)} is not what `python -m pipelines normalize` "
            f"publishes there. Run: {again}"
        ) in told
    assert world.billed() == {key: [1.0] for key in months[:4]} | {"2026-10": [2.0]}
    assert leftovers(world.database) == []
    world.local("normalize")  # a file that it did not make so it makes again
    assert world.commands("normalize", "--force", "--from", "2026-09").status == 0
    assert world.well() == SAID.format(4, 1)
    assert world.billed() == {key: [2.0] for key in months}


@pytest.mark.thorough
def test_rows_of_another_month_in_our_file_are_refused(world: IngestingWorld) -> None:
    world.normalise("2026-09", [9.0])
    path = world.file("2026-09")
    table = pq.ParquetFile(path).read()
    at = table.column_names.index("x_partition")
    path.unlink()
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(["2026-10"])), path)
    ran = world.ingest()
    assert (ran.status, world.billed()) == (1, {})
    assert ran.err.splitlines()[-1] == (
        "aws 2026-09: 1 rows were staged, 1 of them from another partition; the files have 1. "
        "Run again."
    )


def test_without_clickhouse_it_says_in_two_lines_how_to_get_one(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = commands("ingest")
    assert (ran.status, ran.out, ran.err) == (2, "", f"error: {NOT_CONFIGURED}\n")
    assert len(NOT_CONFIGURED.splitlines()) == 2


def test_with_nothing_normalised_there_is_nothing_to_ingest(world: IngestingWorld) -> None:
    ran = world.ingest()
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "nothing is normalised yet")


# Beside loading raw, and beside another run.


@pytest.mark.thorough
@pytest.mark.quick("ingest-load")
@pytest.mark.parametrize(("first", "second"), [("ingest", "load"), ("load", "ingest")])
def test_ingesting_beside_loading_raw_ends_current(
    world: IngestingWorld, first: str, second: str
) -> None:
    for costs in ([1.0, 2.0], [3.0]):
        world.normalise("2026-10", costs)
        assert world.commands(first).status == 0
        assert world.commands(second).status == 0
        assert world.billed() == {"2026-10": costs}
        marks = fingerprints(world.database)
        assert marks["aws_costs__cur"] == marks["normalized_aws"]
        assert world.commands("load").out == "aws: 0 loaded, 1 unchanged, 0 failed\n"
        # by which rules a load normalised is not noted, so an ingest makes sure, once
        again = first == "ingest"
        assert world.commands("ingest").out == SAID.format(int(again), int(not again))
        assert world.commands("ingest").out == SAID.format(0, 1)


@pytest.mark.thorough
def test_another_run_that_holds_the_lease_is_not_disturbed(world: IngestingWorld) -> None:
    world.normalise("2026-10", [1.0])
    world.well()
    world.normalise("2026-10", [2.0])
    with leased(world.database, "aws"):
        ran = world.ingest()
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: aws is locked by ")
    assert world.billed() == {"2026-10": [1.0]}
    assert world.well() == SAID.format(1, 0)


@pytest.mark.thorough
def test_two_runs_at_once_end_as_one(world: IngestingWorld, tmp_path: Path) -> None:
    world.normalise("2026-09", [9.0])
    world.well()
    world.normalise("2026-09", [99.0])
    world.normalise("2026-10", [1.0])
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pipelines", "ingest"],
            cwd=ROOT,
            env=os.environ | {"DLT_DATA_DIR": str(tmp_path / f"machine-{number}")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    told = [run.communicate(timeout=120)[1] for run in runs]
    statuses = [run.returncode for run in runs]
    assert sorted(statuses) in ([0, 0], [0, 1]), told
    for status, text in zip(statuses, told, strict=True):
        assert status == 0 or text.startswith("error: aws is locked by "), text
    assert world.billed() == {"2026-09": [99.0], "2026-10": [1.0]}
    assert world.well() == SAID.format(0, 2)
    assert world.query("select partition, rows, billed from deliveries order by published_at") == [
        ("2026-09", 1, 9.0),
        ("2026-09", 1, 99.0),
        ("2026-10", 1, 1.0),
    ]


# Killed on the way.

A, B = 0, 1


class Killing:
    """Two local destinations; one of them is ingested over what the other one published."""

    def __init__(self, world: IngestingWorld, dlt: Path, proxy: Proxy, harness: Harness) -> None:
        self.world, self.dlt, self.proxy, self.harness = world, dlt, proxy, harness
        self.data = [world.commands.data / side for side in "ab"]
        self.rows: list[dict[str, list[float]]] = []
        self.notes: list[list[tuple[Any, ...]]] = [[], []]
        self._kills = 0

    def prepare(self) -> None:
        """Both sides normalised, and both published once and again, undisturbed, A last.

        September has fewer lines in B, October has none in A.
        """
        for data, costs_of in zip(self.data, SIDES, strict=True):
            self.world.commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": str(data)})
            for period, costs in costs_of.items():
                self.world.deliver(period, costs)
            self.world.local("load", "normalize")
            self.rows.append({period: costs for period, costs in costs_of.items() if costs})
        variables = environ(self.proxy.config, self.world.bucket.root)
        self.environ = os.environ | variables | {"DLT_DATA_DIR": str(self.dlt)}
        for side in (A, B, A):
            noted = len(self._history())
            self.steps = self.ingest(side).steps
            self.notes[side] = sorted(self._history()[noted:], key=repr)

    def ingest(self, side: int, *, step: int = 0, statement: int = 0) -> Ended:
        """Ingest a side, killed at a step in the working folder or before a statement."""
        victim = Victim()
        self.proxy.watch(statement, victim.kill)
        data = {"DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data[side])}
        return self.harness.run(
            "ingest",
            environ=self.environ | data,
            watched=self.dlt,
            kill_at=step,
            on_start=victim.is_,
        )

    def kill(self, **at: int) -> None:
        """Kill an ingest of the side that is not published; the next one ends as if undisturbed.

        It loses the working folder every second time.
        """
        side = A if self._kills % 2 else B
        self._kills += 1
        noted = len(self._history())
        assert self.ingest(side, **at).status is None, at
        found = self.world.billed()
        for period in SIDES[A]:
            assert found.get(period) in [rows.get(period) for rows in self.rows], (at, period)
        if self._kills % 4 > 1:
            shutil.rmtree(self.dlt, ignore_errors=True)
        assert self.ingest(side).status == 0, at
        assert self.world.billed() == self.rows[side], at
        assert sorted(self._history()[noted:], key=repr) == self.notes[side], at
        assert leftovers(self.world.database) == []

    def _history(self) -> list[tuple[Any, ...]]:
        if not self.world.query("exists table deliveries")[0][0]:
            return []
        columns = "partition, fingerprint, files, bytes, rows, billed, recipe, delivered_at"
        return self.world.query(f"select {columns} from deliveries order by published_at")


SIDES = (
    {"2026-09": [0.9, 9.0], "2026-10": []},
    {"2026-09": [99.0], "2026-10": [1.0, 10.0]},
)


@pytest.fixture
def killing(world: IngestingWorld, tmp_path: Path, harness: Harness) -> Iterator[Killing]:
    with Proxy(world.database) as proxy:
        made = Killing(world, tmp_path / "killed", proxy, harness)
        made.prepare()
        yield made


@THOROUGH
def test_an_ingest_killed_at_any_moment_ends_as_if_undisturbed(killing: Killing, tier: str) -> None:
    steps = range(1, len(killing.steps) + 1)
    statements = range(1, len(killing.proxy.steps) + 1)
    assert (len(steps) > 100, len(statements) > 30) == (True, True)
    for number in of_tier(steps, tier, quick=1, thorough=3):
        killing.kill(step=number)
    for number in of_tier(statements, tier, quick=1, thorough=3):
        killing.kill(statement=number)


# From an object store.


@pytest.mark.thorough
def test_normalised_files_on_an_object_store_are_ingested(
    s3: S3Bucket, clickhouse: ClickHouseConfig, commands: Commands, aws_bucket: FolderBucket
) -> None:
    url = f"{s3.url}/published/it's"
    commands.set(environ(clickhouse, aws_bucket.root))
    commands.set(s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": url})
    world = IngestingWorld(aws_bucket, clickhouse, commands)
    for costs in ([1.0, 2.0], [3.0]):
        world.normalise("2026-10", costs)
        assert world.well() == SAID.format(1, 0)
        assert world.billed() == {"2026-10": costs}
    assert world.well() == SAID.format(0, 1)
    key = "published/it's/normalized_aws/billing_period=2026-10/data.parquet"
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=b"PAR1 nothing")
    ran = world.ingest()
    assert (ran.status, ran.out) == (1, "aws: 0 ingested, 0 unchanged, 1 failed\n")
    assert world.billed() == {"2026-10": [3.0]}
