"""When the marts of the filesystem destination are computed, when they are left, and after a kill.

What is in them is tested beside their selects; here a mart is only its file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.marts import Mart
from pipelines.marts.inputs import digests
from tests.conftest import FolderBucket
from tests.support.commands import LEFT, Commands
from tests.support.kill.harness import Harness
from tests.support.kill.points import TIERS, of_tier
from tests.support.kill.worlds import Files
from tests.support.providers.aws_months import deliver
from tests.support.published import leftovers


def marts(data: Path) -> dict[str, list[dict[str, Any]]]:
    """Every computed mart's rows; when they were published differs between two runs."""
    return {
        path.parent.name: [
            {name: value for name, value in row.items() if name != "published_at"}
            for row in pq.ParquetFile(path).read().to_pylist()
        ]
        for path in sorted(data.glob("marts/*/data.parquet"))
    }


def billed(data: Path) -> float:
    """What `margin_daily` says was billed on the filesystem."""
    return float(sum(row["cost_billed"] for row in marts(data).get("margin_daily", [])))


@pytest.mark.thorough
def test_marts_are_left_as_they_are_until_a_normalise_computes_them(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0])
    commands.well("load")
    said = "aws: 1 normalised, 0 failed\n" + LEFT
    assert commands("normalize", "--no-marts").out == said
    assert commands.billed("2026-08") == [8.0]  # `costs` is no computed one: it is there at once
    assert marts(commands.data) == {}
    assert commands("normalize").out == "aws: 0 normalised, 0 failed\n"
    assert billed(commands.data) == 8.0

    deliver(aws_bucket.root, "2026-08", [9.0, 0.5], prefix="restated")
    commands.well("load")
    assert commands("normalize", "--no-marts").out == said
    assert (commands.billed("2026-08"), billed(commands.data)) == ([0.5, 9.0], 8.0)
    assert commands("normalize", "--no-marts").out == "aws: 0 normalised, 0 failed\n" + LEFT
    assert billed(commands.data) == 8.0
    assert commands("normalize").out == "aws: 0 normalised, 0 failed\n"
    assert billed(commands.data) == 9.5


@pytest.mark.thorough
def test_marts_that_are_current_are_not_computed_again(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0])
    commands.well("load", "normalize", marts=True)
    files = sorted(commands.data.glob("marts/*/*.parquet"))
    before = [path.stat().st_mtime_ns for path in files]
    commands.well("normalize", marts=True)
    assert sorted(commands.data.glob("marts/*/*.parquet")) == files
    assert [path.stat().st_mtime_ns for path in files] == before


@pytest.mark.thorough
def test_a_night_sums_only_the_years_in_which_a_month_changed(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    for month, amount in (("2025-12", 7.0), ("2026-08", 8.0)):
        deliver(aws_bucket.root, month, [amount])
    commands.well("load", "normalize", marts=True)
    sums = commands.data / "sums"
    (sums / "aws-2024.parquet").write_bytes((sums / "aws-2025.parquet").read_bytes())
    before = {path.name: path.stat().st_mtime_ns for path in sums.iterdir()}
    assert [*sorted(before)] == [f"aws-{year}.parquet" for year in (2024, 2025, 2026)]

    deliver(aws_bucket.root, "2026-08", [9.0, 0.5], prefix="restated")
    commands.well("load", "normalize", marts=True)
    after = {path.name: path.stat().st_mtime_ns for path in sums.iterdir()}
    assert after.keys() == {"aws-2025.parquet", "aws-2026.parquet"}  # nothing is of 2024
    assert after["aws-2025.parquet"] == before["aws-2025.parquet"]
    summed = pq.read_table(sums / "aws-2026.parquet")["billed_cost"].to_pylist()
    assert sorted(summed) == [0.5, 9.0]
    assert billed(commands.data) == 16.5


def test_a_dry_run_says_nothing_of_marts(aws_bucket: FolderBucket, commands: Commands) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0])
    commands.well("load")
    said = "aws: would normalise 2026-08\n"
    assert commands("normalize", "--dry-run", "--no-marts").out == said


@pytest.fixture
def world(tmp_path: Path, harness: Harness) -> Files:
    """A month that was restated, normalised without its marts."""
    made = Files(harness, tmp_path / "world")
    deliver(made.bucket, "2026-08", [8.0])
    made.well("load", "normalize")
    deliver(made.bucket, "2026-08", [9.0, 0.5], prefix="restated")
    made.well("load", "normalize --no-marts")
    made.keep()
    return made


@TIERS
def test_a_computation_that_was_killed_is_made_good_by_the_next_that_computes(
    world: Files, tier: str
) -> None:
    points = [point for point in world.points("normalize") if re.search(r"/marts\b", point.what)]
    undisturbed = marts(world.data)
    assert billed(world.data) == 9.5
    assert len(points) > 10
    for point in of_tier(points, tier, quick=1, thorough=15):
        world.back()
        assert world.run("normalize", point).status is None
        world.well("normalize --no-marts")
        assert billed(world.data) in (8.0, 9.5)  # an old mart or a new one, whole
        world.well("normalize")
        assert marts(world.data) == undisturbed, point.what
        assert leftovers(world.data) == []


def test_a_mart_with_other_columns_is_computed_again() -> None:
    select = "select * from normalized_fx"
    marts = [Mart(f"10_{name}.sql", name, "", select) for name in ("fx_rates", "revenue")]
    one, other = (digests([mart], (), str)[mart.name] for mart in marts)
    again = digests(marts[:1], (), str)["fx_rates"]
    assert (one == again, one == other) == (True, False)
