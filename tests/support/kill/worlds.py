"""What is killed: commands on a destination that can be put back to its start.

A world is a destination of its own with a working directory, in a folder or in ClickHouse.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support import published, published_clickhouse
from tests.support.clickhouse.databases import Template
from tests.support.clickhouse.proxy import Proxy, Victim
from tests.support.kill.harness import Ended, Harness
from tests.support.kill.points import NOWHERE, STRIDE, Point, of_tier


class World(ABC):
    """A destination and a working directory, put back at will, and commands on them.

    `words` are appended to every command: the sources that it is about.
    """

    def __init__(
        self,
        harness: Harness,
        folder: Path,
        variables: Mapping[str, str],
        words: Sequence[str],
    ) -> None:
        self.bucket, self.live = folder / "bucket", folder / "live"
        self.dlt, self.start = self.live / "dlt", folder / "start"
        self.live.mkdir(parents=True)
        self.harness, self.words = harness, tuple(words)
        here = {"SOURCES__AWS__BUCKET_URL": self.bucket.as_uri(), "DLT_DATA_DIR": str(self.dlt)}
        here["SOURCES__MAX_SHRINK"] = "1"  # campaigns empty partitions on purpose
        self.environ = os.environ | here | dict(variables)

    @abstractmethod
    def run(self, command: str, point: Point = NOWHERE) -> Ended:
        """`load` without marts in ClickHouse, or a command with options; killed at a point."""

    @abstractmethod
    def points(self, command: str) -> list[Point]:
        """Run it undisturbed; where it could have been killed."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What no reader looks at and no run needs any more."""

    def well(self, *commands: str) -> None:
        """Commands that have to end well."""
        for command in commands:
            assert self.run(command).status == 0, command

    def keep(self) -> None:
        """What `back` returns to."""
        published.copy_state(self.live, self.start)

    def back(self) -> None:
        """As it was at `keep`."""
        published.copy_state(self.start, self.live)

    def loses(self, point: Point) -> bool:
        """Whether losing the working directory is another case than keeping it."""
        return str(self.dlt) not in point.what


class Files(World):
    """A destination in a folder, `data`."""

    def __init__(
        self,
        harness: Harness,
        folder: Path,
        variables: Mapping[str, str] = {},
        words: Sequence[str] = (),
    ) -> None:
        super().__init__(harness, folder, variables, words)
        self.data = self.live / "data"
        self.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(self.data)

    def run(self, command: str, point: Point = NOWHERE) -> Ended:
        arguments = (*command.split(), *self.words)
        return self.harness.run(
            *arguments, environ=self.environ, watched=self.live, kill_at=point.file
        )

    def points(self, command: str) -> list[Point]:
        ended = self.run(command)
        assert ended.status == 0
        return [Point(step, file=n) for n, step in enumerate(ended.steps, 1)]

    def leftovers(self) -> list[str]:
        return published.leftovers(self.data)


class Tables(World):
    """A database on a ClickHouse server, reached by a proxy that sees every statement."""

    def __init__(
        self,
        harness: Harness,
        folder: Path,
        server: ClickHouseConfig,
        variables: Mapping[str, str] = {},
        words: Sequence[str] = (),
        template: Template | None = None,
    ) -> None:
        self.database = server.with_database("killed")
        self.proxy = Proxy(self.database)
        # a backup in memory lasts as long as the connection that made it
        self.server = ClickHouseManager(server)
        there = published_clickhouse.environ(self.proxy.config, folder / "bucket")
        super().__init__(harness, folder, there | dict(variables), words)
        if template:
            template.restore(self.database.database)

    def run(self, command: str, point: Point = NOWHERE) -> Ended:
        victim = Victim()
        self.proxy.watch(point.statement, victim.kill)
        return self._run(command, point.file, victim.is_)

    def run_through(self, command: str, pattern: str, act: Callable[[], None]) -> Ended:
        """`act` while the first statement that matches is on its way, which cuts its client off."""
        self.proxy.watch(pattern, act, "during")
        return self._run(command)

    def _run(
        self, command: str, kill_at: int = 0, on_start: Callable[[int], None] = lambda pid: None
    ) -> Ended:
        leaving = ["--no-marts"] if command == "load" else []
        return self.harness.run(
            *command.split(),
            *leaving,
            *self.words,
            environ=self.environ,
            watched=self.dlt,
            kill_at=kill_at,
            on_start=on_start,
        )

    def points(self, command: str) -> list[Point]:
        ended = self.run(command)
        assert ended.status == 0
        statements = [Point(text, statement=n) for n, text in enumerate(self.proxy.steps, 1)]
        return statements + [Point(step, file=n) for n, step in enumerate(ended.steps, 1)]

    def leftovers(self) -> list[str]:
        return published_clickhouse.leftovers(self.database)

    def keep(self) -> None:
        super().keep()
        self.server.execute(f"backup database {self.database.database} to Memory('start')")

    def back(self) -> None:
        super().back()
        self.drop()
        self.server.execute(f"restore database {self.database.database} from Memory('start')")

    def drop(self) -> None:
        """Remove the database."""
        self.server.execute(f"drop database if exists {self.database.database} sync")

    def close(self) -> None:
        """Remove the database and end every connection."""
        self.proxy.close()
        self.drop()
        self.server.close()


def end_as_if_undisturbed(
    world: World,
    command: str,
    points: Sequence[Point],
    rest: Sequence[str] | Callable[[Point], Sequence[str]],
    state: Callable[[], object],
    is_whole: Callable[[str], object],
) -> None:
    """Kill a command at each point of a world that was kept; `rest` brings it to its end.

    The undisturbed end is the `state` now. `is_whole` fails when a reader sees a part. The working
    directory is kept and lost in turns; with KILL_STRIDE=1 both at every point.
    """
    undisturbed = state()
    for count, point in enumerate(points):
        lost = [False, True] if STRIDE == 1 else [bool(count % 2)]
        for is_lost in lost:
            world.back()
            ended = world.run(command, point)
            # dlt's threads save their state once or twice: a step at the end may not be reached
            is_over = ended.status == 0 and 0 < len(ended.steps) < point.file
            assert ended.status is None or is_over, point
            is_whole(point.what)
            if is_lost and world.loses(point):
                shutil.rmtree(world.dlt)
            world.well(*(rest(point) if callable(rest) else rest))
            assert state() == undisturbed, (point, is_lost)
            assert world.leftovers() == [], point


def both_end_as_if_undisturbed(
    world: Files,
    tier: str,
    state: Callable[[], object],
    is_whole: Callable[[str], object],
    normalize: str = "normalize",
) -> None:
    """`load` and `normalize`, killed at a few steps on the destination; something is to be done."""
    rest = ["load", normalize]
    for command in rest:
        if command == normalize:
            world.back()
            world.well("load")
        world.keep()
        points = [point for point in world.points(command) if "/data/" in point.what]
        assert len(points) > 10, command
        world.well(*rest)
        chosen = of_tier(points, tier, quick=1, thorough=3)
        end_as_if_undisturbed(world, command, chosen, rest, state, is_whole)


def seen_whole(
    seen: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any], step: str
) -> None:
    """Each partition that a reader finds is the old one or the new one; only what is not in the
    new state may be missing, or is not there yet."""
    for name in {*old, *new, *seen}:
        assert seen.get(name) in (old.get(name), new.get(name)), (step, name)
