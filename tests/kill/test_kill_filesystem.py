"""kill -9 at steps of every kind of load and of normalise, with the working directory kept and
lost; with KILL_STRIDE=1 at every step."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support.kill.harness import Harness
from tests.support.kill.points import TIERS, normalising, of_files
from tests.support.kill.worlds import Files, end_as_if_undisturbed, seen_whole
from tests.support.providers.aws_months import deliver
from tests.support.published import published, totals


@pytest.fixture
def restated(harness: Harness, tmp_path: Path) -> Files:
    """Two published months, then one restated and one new in the bucket."""
    world = Files(harness, tmp_path)
    deliver(world.bucket, "2026-08", [8.0, 0.8])
    deliver(world.bucket, "2026-09", [9.0, 0.9, 0.09], files=2)
    world.well("load", "normalize --no-marts")
    # September has fewer rows in fewer files and other ids; October is new
    deliver(world.bucket, "2026-09", [99.0], prefix="restated")
    deliver(world.bucket, "2026-10", [10.0, 1.0], files=2)
    return world


@TIERS
def test_a_load_killed_at_any_step_ends_as_if_undisturbed(restated: Files, tier: str) -> None:
    every_kill_ends_the_same(restated, "load", ["load", "normalize --no-marts"], tier)


@TIERS
def test_a_normalise_killed_at_any_step_ends_as_if_undisturbed(restated: Files, tier: str) -> None:
    restated.well("load")
    command = normalising(tier)
    every_kill_ends_the_same(restated, command, [command], tier)


def every_kill_ends_the_same(world: Files, command: str, rest: list[str], tier: str) -> None:
    world.keep()
    before = totals(world.data)
    points = of_files(world.points(command), tier)
    world.well(*rest)
    after = totals(world.data)
    assert len(points) > 8
    assert set(before) < set(after)
    end_as_if_undisturbed(
        world,
        command,
        points,
        rest,
        partial(published, world.data),
        lambda step: seen_whole(totals(world.data), before, after, step),
    )
