"""The measurements that sections share: a bill through DuckDB, through our commands, by the peer.

Everything runs as the user runs it, `python -m pipelines …` in a process of its own, on a bucket
that is a folder. What a command costs is its wall time less that of the same command when there is
nothing to do, so that starting Python and dlt counts for neither side.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from scripts.bench.data.bucket import PERIOD, Shape, bill, export, sample
from scripts.bench.process import Ran, Workplace, median, run

NOTHING = ("--from", "2999-01")  # a selection that holds no partition
NO_MARTS = ("--no-marts",)  # they have a section of their own
COMMANDS = ("load", "normalize")
TIMES = 5  # so many times the rows, in as many times the files, for the growth of memory
MONTH = 10  # so many times the rows, all different, in as many times the files


@dataclass
class Compared:
    """One bill through DuckDB and through our commands, in turns, so that noise meets both."""

    copies: list[Ran] = field(default_factory=list)
    load_idle: list[Ran] = field(default_factory=list)
    loads: list[Ran] = field(default_factory=list)
    normalize_idle: list[Ran] = field(default_factory=list)
    normalizes: list[Ran] = field(default_factory=list)

    @property
    def copy_seconds(self) -> tuple[float, ...]:
        """DuckDB's statements alone, without its start."""
        return tuple(ran.said["seconds"] for ran in self.copies)

    @property
    def duckdb(self) -> float:
        """The median statement."""
        return statistics.median(self.copy_seconds)

    @property
    def load(self) -> float:
        """Seconds of loading beyond start-up."""
        return beyond(self.loads, self.load_idle)

    @property
    def normalize(self) -> float:
        """Seconds of normalising beyond start-up."""
        return beyond(self.normalizes, self.normalize_idle)


@dataclass
class Bench:
    """The measurements that sections share, each made once, when first asked for."""

    home: Path
    rows: int
    rounds: int
    row_group: int | None
    periods: int
    say: Callable[[str], None]
    started: list[Ran] = field(default_factory=list)  # once: the first reads Python's own files

    @cached_property
    def plain(self) -> Compared:
        """The bill with realistic cardinalities."""
        return self._compare("plain", self.files, self.rounds)

    @cached_property
    def unique(self) -> Compared:
        """A unique resource id and a unique tag on every row."""
        return self._compare("unique", self.bill_of(unique=True), self.rounds)

    @cached_property
    def grown(self) -> Compared:
        """Five times the plain bill: the same files under five names each."""
        return self._compare("grown", self.files * TIMES, 1, yardstick=False)

    @cached_property
    def month(self) -> Compared:
        """Ten times the rows of the plain bill, none of them twice."""
        self.say(f"making {self.rows * MONTH:,} rows")
        shape = Shape(self.rows * MONTH, 4 * MONTH, row_group=self.row_group)
        files = bill(self.home / "bills", shape)[PERIOD]
        return self._compare("month", files, 1, yardstick=False)

    @cached_property
    def peer(self) -> Ran:
        """A tenth of the plain bill through dlt's stock way."""
        self.say(f"rows as dicts: {self.rows // 10:,} rows")
        place = self.workplace("peer", self.home)
        peer = ["-m", "scripts.bench.yardsticks.peer"]
        ran = run([*peer, sample(self.files), place.folder], place.environ)
        shutil.rmtree(place.folder)
        return ran

    @cached_property
    def files(self) -> list[Path]:
        """The plain bill."""
        return self.bill_of()

    def bill_of(self, unique: bool = False) -> list[Path]:
        """A bill of this benchmark's size."""
        self.say(f"making {self.rows:,} rows" + (", unique" if unique else ""))
        shape = Shape(self.rows, unique=unique, row_group=self.row_group)
        return bill(self.home / "bills", shape)[PERIOD]

    def workplace(self, name: str, bucket: Path) -> Workplace:
        """An empty place to work in."""
        place = Workplace(self.home / "work" / name, bucket)
        place.empty()
        return place

    def _compare(
        self, name: str, files: list[Path], rounds: int, yardstick: bool = True
    ) -> Compared:
        bucket = export(self.home / "buckets" / name, {PERIOD: files})
        place = self.workplace(name, bucket)
        found = Compared()
        if not self.started and self.rounds > 1:  # a single round is a trial
            self.started = [place.pipelines(name, "aws", *NOTHING) for name in COMMANDS]
        for number in range(1, rounds + 1):
            self.say(f"{name}: round {number} of {rounds}")
            place.empty()
            if yardstick:
                target = place.folder / "copy.parquet"
                found.copies.append(run(["-m", "scripts.bench.yardsticks.duckdb", target, *files]))
                target.unlink()
                found.load_idle.append(place.pipelines("load", "aws", *NOTHING))
                found.normalize_idle.append(
                    place.pipelines("normalize", "aws", *NO_MARTS, *NOTHING)
                )
            found.loads.append(place.pipelines("load", "aws"))
            found.normalizes.append(place.pipelines("normalize", "aws", *NO_MARTS))
        shutil.rmtree(place.folder)
        return found


def beyond(runs: list[Ran], idle: list[Ran]) -> float:
    """Seconds beyond start-up: of a tiny bill, or on a busy machine, noise that may be negative."""
    return median(runs) - median(idle)
