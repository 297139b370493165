"""`costs_daily`: what it sums up, that it is published with its lines, and what brings it back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.normalize.daily import Daily
from pipelines.normalize.writing import file_schema
from pipelines.tables.daily import NAME, SUMS, key_names, select_of, without
from pipelines.tables.schema import arrow_schema
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import environ
from tests.support.twins import differences
from tests.support.world import World

TAGS = ("Environment", "Team", "Application")
MIDNIGHT = datetime(2026, 10, 1, tzinfo=UTC)


def some_lines(seed: int, count: int, each: int = 10) -> pa.Table:
    """Lines of ten days and a few kinds, so many of each, with other amounts and hours, and values
    missing."""
    chance = random.Random(seed)
    shape = arrow_schema(TAGS)

    def cell(field: pa.Field) -> Any:
        if field.nullable and chance.random() < 0.1:
            return None
        if pa.types.is_string(field.type):
            return f"{field.name} {chance.randrange(2)}"
        if pa.types.is_floating(field.type):
            return round(chance.uniform(-10, 10), 6)
        at = MIDNIGHT + timedelta(hours=chance.randrange(240))
        return [] if pa.types.is_map(field.type) else at

    kinds = [{field.name: cell(field) for field in shape} for _ in range(count // each)]
    for kind in kinds:
        kind["x_usage_date"] = kind["charge_period_start"] and kind["charge_period_start"].date()
    varied = [field for field in shape if field.name in (*SUMS, "charge_period_end")]
    rows = [chance.choice(kinds) | {each.name: cell(each) for each in varied} for _ in range(count)]
    return pa.Table.from_pylist(rows, shape)


def as_one_key(rows: pa.Table) -> pa.Table:
    keys = rows.select(key_names(TAGS)).to_pylist()
    return rows.append_column("", pa.array([repr(key) for key in keys]))


@pytest.mark.parametrize(
    ("expected", "round_rows", "each", "are_apart"),
    [
        pytest.param(0, 10_000, 10, False, id="one-round"),
        pytest.param(400, 70, 10, False, id="rounds-in-memory"),
        pytest.param(400, 20, 10, False, id="rounds-on-disk"),
        pytest.param(400, 70, 1, False, id="little-in-common"),
        pytest.param(400, 5, 2, False, id="parts-of-a-day"),
        pytest.param(400, 70, 10, True, id="resources-of-their-own"),
        pytest.param(0, 10_000, 10, True, id="one-round-of-resources-of-their-own"),
    ],
)
def test_lines_are_summed_up_as_the_plain_select_says(
    tmp_path: Path, expected: int, round_rows: int, each: int, are_apart: bool
) -> None:
    lines = some_lines(7, 400, each)
    if are_apart:  # each by a resource of its own, one by having none
        own = [None, *(f"resource {number}" for number in range(1, 400))]
        lines = lines.set_column(
            lines.schema.get_field_index("resource_id"), "resource_id", pa.array(own)
        )
    target = tmp_path / "work" / "daily.parquet"
    target.parent.mkdir()
    with Daily(target, TAGS, expected, round_rows) as daily:
        for start in range(0, lines.num_rows, 50):
            daily.add(lines.slice(start, 50).cast(file_schema(lines.schema)))
        daily.write({"fingerprint": "f"})
    found = pq.read_table(target).replace_schema_metadata()
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        duck.register("given", lines)
        wanted = duck.sql(select_of("given", TAGS)).to_arrow_table().cast(found.schema)
    assert differences(as_one_key(found), as_one_key(wanted), key="") == []
    assert (found["x_lines"].to_pylist() == [1] * found.num_rows) == are_apart
    assert any(any(found[without(name)].to_pylist()) for name in SUMS)
    assert [path.name for path in target.parent.iterdir()] == ["daily.parquet"]


@pytest.mark.parametrize("each", [1, 10])
def test_the_same_lines_give_the_same_bytes_whether_their_thread_lags_or_keeps_up(
    tmp_path: Path, each: int
) -> None:
    lines = some_lines(8, 600, each)
    whole = lines.cast(file_schema(lines.schema))
    batches = [whole.slice(start, 10) for start in range(0, 600, 10)]

    def written(name: str, *, keeps_up: bool) -> bytes:
        target = tmp_path / name / "daily.parquet"
        target.parent.mkdir()
        with Daily(target, TAGS, 600, 40) as daily:
            for batch in batches:
                daily.add(batch)
                if keeps_up:
                    daily._wait()
            daily.write({})
        return target.read_bytes()

    assert written("lags", keeps_up=False) == written("keeps-up", keeps_up=True)


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    lines, folder = some_lines(1, 20), tmp_path / "work"
    folder.mkdir()
    with Daily(folder / "daily.parquet", TAGS, round_rows=5) as daily:
        daily.add(lines.cast(file_schema(lines.schema)))
        with pytest.raises(KeyError):
            daily.add(lines.drop_columns("charge_period_end"))
    assert list(folder.iterdir()) == []


def billed_by_day(commands: Commands) -> list[tuple[str, float, int]]:
    """Partition, billed and lines on the filesystem."""
    files = sorted(commands.data.glob(f"marts/{NAME}/*.parquet"))
    tables = {path.stem: pq.ParquetFile(path).read() for path in files}
    return [
        (name, sum(table["billed_cost"].to_pylist()), sum(table["x_lines"].to_pylist()))
        for name, table in tables.items()
    ]


def test_days_follow_their_lines_and_come_back_when_they_are_lost(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0, 0.5])
    deliver(aws_bucket.root, "2026-09", [9.0])
    commands.well("load", "normalize")
    assert billed_by_day(commands) == [("aws-2026-08", 8.5, 2), ("aws-2026-09", 9.0, 1)]

    deliver(aws_bucket.root, "2026-08", [7.0], prefix="restated")
    commands.well("load", "normalize")
    assert billed_by_day(commands) == [("aws-2026-08", 7.0, 1), ("aws-2026-09", 9.0, 1)]

    (commands.data / f"marts/{NAME}/aws-2026-09.parquet").unlink()  # as an older version left it
    assert commands("normalize", "--no-marts").out.startswith("aws: 1 normalised")
    assert billed_by_day(commands) == [("aws-2026-08", 7.0, 1), ("aws-2026-09", 9.0, 1)]


@pytest.fixture
def world(commands: Commands, clickhouse: Any, aws_bucket: FolderBucket) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


DAYS = f"select x_partition, sum(billed_cost), sum(x_lines) from {NAME} group by 1 order by 1"


@pytest.mark.thorough
def test_on_clickhouse_days_follow_their_lines_and_migrate_fills_what_is_missing(
    world: World,
) -> None:
    world.deliver("2026-08", [8.0, 0.5])
    world.deliver("2026-09", [9.0])
    world.well()
    assert world.query(DAYS) == [("2026-08", 8.5, 2), ("2026-09", 9.0, 1)]

    world.deliver("2026-08", [7.0])
    world.well()
    assert world.query(DAYS) == [("2026-08", 7.0, 1), ("2026-09", 9.0, 1)]

    # a loader that was killed between the two tables: the next load repairs it
    world.change(f"alter table {NAME} drop partition ('aws', '2026-09')")
    world.well()
    assert world.query(DAYS) == [("2026-08", 7.0, 1), ("2026-09", 9.0, 1)]

    before = world.query(f"select * from {NAME} order by all")
    world.change(f"drop table {NAME} sync")  # as an older version left it
    told: list[str] = []
    migrate(world.database, TAGS, told.append)
    assert told == [f"created table {NAME}", f"filled {NAME} of aws"]
    assert world.query(f"select * from {NAME} order by all") == before

    migrate(world.database, ("Environment",), told.append)
    assert f"rebuilt {NAME} with the current columns and rules" in told
    assert world.query(DAYS) == [("2026-08", 7.0, 1), ("2026-09", 9.0, 1)]


def test_the_check_names_a_day_that_differs_from_its_lines(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0, 0.5])
    commands.well("load", "normalize")
    path = commands.data / f"marts/{NAME}/aws-2026-08.parquet"
    rows = pq.ParquetFile(path).read()
    at = rows.schema.get_field_index("list_cost")
    pq.write_table(
        rows.set_column(at, rows.field(at), pa.array([None] * len(rows), pa.float64())), path
    )
    said = commands.checked("daily_conservation")
    assert "1 failed: daily_conservation" in said
    assert [line for line in said.splitlines() if "list_cost" in line]
