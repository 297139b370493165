"""kill -9 at every step of load and of normalise, with the working directory kept and lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kill_harness import Folder
from tests.support.providers.aws_months import deliver
from tests.support.published import leftovers, published, totals

#: dlt's own bookkeeping takes a hundred steps a run: one in fifteen is a kill point, ours are all.
#: The working directory is kept and lost in turns; with 1, both at every point, which takes long.
STRIDE = int(os.environ.get("KILL_STRIDE", "15"))


class World(Folder):
    """A bucket, a destination and a working directory that can be put back to their start."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        super().__init__(folder, {"SOURCES__AWS__BUCKET_URL": self.bucket.as_uri()})

    def deliver_and_publish(self) -> None:
        """Two months, loaded and normalised."""
        deliver(self.bucket, "2026-08", [8.0, 0.8])
        deliver(self.bucket, "2026-09", [9.0, 0.9, 0.09], files=2)
        assert self.harness.run("load").status == 0
        assert self.harness.run("normalize").status == 0

    def restate(self) -> None:
        """September has fewer rows in fewer files and other ids; October is new."""
        deliver(self.bucket, "2026-09", [99.0], prefix="restated")
        deliver(self.bucket, "2026-10", [10.0, 1.0], files=2)

    def run(self, *commands: str) -> None:
        """Undisturbed."""
        for command in commands:
            assert self.harness.run(command).status == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("kill"))
    yield made
    made.harness.close()


@pytest.fixture
def restated(world: World) -> World:
    """Two published months, then one restated and one new in the bucket."""
    for folder in (world.live, world.bucket):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    world.deliver_and_publish()
    world.restate()
    world.keep()
    return world


def test_a_load_killed_at_any_step_ends_as_if_undisturbed(restated: World) -> None:
    every_kill_ends_the_same(restated, "load", ["load", "normalize"])


def test_a_normalise_killed_at_any_step_ends_as_if_undisturbed(restated: World) -> None:
    restated.run("load")
    restated.keep()
    every_kill_ends_the_same(restated, "normalize", ["normalize"])


def every_kill_ends_the_same(world: World, command: str, rest: list[str]) -> None:
    before = totals(world.data)
    steps = world.harness.run(command).steps
    world.run(*rest)
    after, undisturbed = totals(world.data), published(world.data)
    assert len(steps) > 10
    for count, number in enumerate(kill_points(steps)):
        finishes = (_directory_kept, _directory_lost)
        for finish in finishes if STRIDE == 1 else finishes[count % 2 :][:1]:
            if finish is _directory_lost and str(world.dlt) in steps[number - 1]:
                continue  # what dlt writes there is lost all the same
            world.back()
            assert world.harness.run(command, kill_at=number).status is None, steps[number - 1]
            whole(totals(world.data), before, after, steps[number - 1])
            finish(world)
            world.run(*rest)
            assert published(world.data) == undisturbed, (steps[number - 1], finish.__name__)
            assert leftovers(world.data) == []


def kill_points(steps: tuple[str, ...]) -> list[int]:
    """Every step on the destination, every STRIDE-th of dlt's in its working directory."""
    ours = [n for n, step in enumerate(steps, 1) if "/data/" in step]
    dlts = [n for n, step in enumerate(steps, 1) if "/data/" not in step]
    return sorted({*ours, *dlts[::STRIDE]})


def whole(seen: dict[str, float], old: dict[str, float], new: dict[str, float], step: str) -> None:
    """Every partition that a reader finds is the old one or the new one, and none has gone."""
    assert set(old) <= set(seen) <= set(new), step
    for name, total in seen.items():
        assert total in (old.get(name), new[name]), (step, name)


def _directory_kept(world: World) -> None:
    """The next run finds what the killed one left."""


def _directory_lost(world: World) -> None:
    shutil.rmtree(world.dlt)
