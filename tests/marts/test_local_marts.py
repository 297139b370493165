"""When the marts of the filesystem destination are computed, when they are left, and after a kill.

What is in them is tested beside their selects; here a mart is only its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.kill_harness import Folder, some
from tests.support.providers.months import deliver
from tests.support.published import leftovers

LEFT = "marts: not computed; `python -m pipelines normalize` computes those that changed\n"


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
    """What `cost_daily` says was billed on the filesystem."""
    return float(sum(row["billed"] for row in marts(data).get("cost_daily", [])))


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


def test_a_dry_run_says_nothing_of_marts(aws_bucket: FolderBucket, commands: Commands) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-08", [8.0])
    commands.well("load")
    said = "aws: would normalise 2026-08\n"
    assert commands("normalize", "--dry-run", "--no-marts").out == said


class World(Folder):
    """A month that was restated, normalised without its marts."""

    def __init__(self, folder: Path) -> None:
        bucket = folder / "bucket"
        super().__init__(folder, {"SOURCES__AWS__BUCKET_URL": bucket.as_uri()})
        deliver(bucket, "2026-08", [8.0])
        self.run("load", "normalize")
        deliver(bucket, "2026-08", [9.0, 0.5], prefix="restated")
        self.run("load", "normalize --no-marts")
        self.keep()

    def run(self, *commands: str) -> None:
        """Undisturbed."""
        for command in commands:
            assert self.harness.run(*command.split()).status == 0, command


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world")
    yield made
    made.harness.close()


@pytest.mark.parametrize("most", [4, pytest.param(1000, marks=pytest.mark.thorough)])
def test_a_computation_that_was_killed_is_made_good_by_the_next_that_computes(
    world: World, most: int
) -> None:
    steps = world.harness.run("normalize").steps
    undisturbed = marts(world.data)
    assert billed(world.data) == 9.5
    at = [n for n, step in enumerate(steps, 1) if re.search(r"/marts\b", step)]
    assert len(at) > 10
    for point in some(at, most):
        world.back()
        assert world.harness.run("normalize", kill_at=point).status is None
        world.run("normalize --no-marts")
        assert billed(world.data) in (8.0, 9.5)  # an old mart or a new one, whole
        world.run("normalize")
        assert marts(world.data) == undisturbed, steps[point - 1]
        assert leftovers(world.data) == []
