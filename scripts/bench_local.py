"""What is measured on local parquet: load and normalise, against DuckDB and against rows as dicts.

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

from scripts.bench_bucket import PERIOD, Shape, bill, export, sample
from scripts.bench_figures import Figure, Section
from scripts.bench_process import ROOT, Ran, Workplace, median, peak, run

NOTHING = ("--from", "2999-01")  # a selection that holds no partition
IMPORTS = "import pipelines.__main__"
START_UP = "import dlt; dlt.pipeline('start_up', destination='filesystem', dataset_name='none')"
TIMES = 5  # so many times the rows, in as many times the files, for the growth of memory
FILES = 10  # in each period of the run without change
SMALL = 2_000  # rows in each of those periods


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
    def peer(self) -> Ran:
        """A tenth of the plain bill through dlt's stock way."""
        self.say(f"rows as dicts: {self.rows // 10:,} rows")
        place = self.workplace("peer", self.home)
        script = ROOT / "scripts" / "bench_peer.py"
        ran = run([script, sample(self.files), place.folder], place.environ)
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
        for command in ("load", "normalize"):
            place.pipelines(command, "aws", *NOTHING)  # the first start reads Python's own files
        for number in range(1, rounds + 1):
            self.say(f"{name}: round {number} of {rounds}")
            place.empty()
            if yardstick:
                target = place.folder / "copy.parquet"
                script = ROOT / "scripts" / "bench_duckdb.py"
                found.copies.append(run([script, target, *files]))
                target.unlink()
                found.load_idle.append(place.pipelines("load", "aws", *NOTHING))
                found.normalize_idle.append(place.pipelines("normalize", "aws", *NOTHING))
            found.loads.append(place.pipelines("load", "aws"))
            found.normalizes.append(place.pipelines("normalize", "aws"))
        shutil.rmtree(place.folder)
        return found


def load(bench: Bench) -> Section:
    """Load, and load with normalise, against DuckDB's COPY of the same files."""
    of = bench.plain
    both = of.load + of.normalize
    return Section(
        "load",
        "Medians. DuckDB: the COPY statement alone (parquet to parquet, its defaults, all cores). "
        "Ours: wall time of the command less that of the same command on an empty selection, "
        "which is Python, imports, dlt, configuration and the listing.",
        [
            seconds("duckdb_copy_s", "DuckDB COPY of the files", of.copy_seconds),
            walls("load_wall_s", "load, the whole command", of.loads),
            walls("load_start_up_s", "load of nothing: start-up", of.load_idle),
            Figure("load_s", "load beyond start-up", of.load, "s"),
            walls("normalize_wall_s", "normalise, the whole command", of.normalizes),
            walls("normalize_start_up_s", "normalise of nothing: start-up", of.normalize_idle),
            Figure("normalize_s", "normalise beyond start-up", of.normalize, "s"),
            Figure("normalize_rate", "normalise", bench.rows / of.normalize, "rows/s"),
            Figure("load_ratio", "load : COPY", of.load / of.duckdb, "×", limit=0.3),
            Figure("both_ratio", "load + normalise : COPY", both / of.duckdb, "×", limit=0.75),
        ],
    )


def unique(bench: Bench) -> Section:
    """The same with text that does not repeat."""
    of = bench.unique
    both = of.load + of.normalize
    return Section(
        "unique",
        "As above, with a resource id and a tag of its own on every row.",
        [
            seconds("unique_duckdb_copy_s", "DuckDB COPY of the files", of.copy_seconds),
            walls("unique_load_wall_s", "load, the whole command", of.loads),
            Figure("unique_load_s", "load beyond start-up", of.load, "s"),
            walls("unique_normalize_wall_s", "normalise, the whole command", of.normalizes),
            Figure("unique_normalize_s", "normalise beyond start-up", of.normalize, "s"),
            Figure("unique_ratio", "load + normalise : COPY", both / of.duckdb, "×", limit=1.0),
            _peak("unique_normalize_peak_mb", "normalise", of.normalizes, limit=800),
        ],
    )


def peer(bench: Bench) -> Section:
    """Against rows as Python dicts."""
    own = bench.peer.said["seconds"]
    scaled, of = own * 10, bench.plain
    return Section(
        "peer",
        "dlt's filesystem source, read_parquet(), merge with a primary key, to parquet on disk: "
        "pipeline.run() alone on a tenth of the rows, times ten. It only loads; ours loads and "
        "normalises.",
        [
            Figure("peer_sample_s", f"rows as dicts, {bench.rows // 10:,} rows", own, "s"),
            Figure("peer_s", "the same, scaled to all rows", scaled, "s"),
            Figure("peer_load_ratio", "it : our load", scaled / of.load, "×"),
            Figure(
                "peer_ratio",
                "it : our load + normalise",
                scaled / (of.load + of.normalize),
                "×",
                least=50,
            ),
        ],
    )


def memory(bench: Bench) -> Section:
    """Peak memory of each, and how it grows with the rows."""
    of, grown = bench.plain, bench.grown
    more = f"{bench.rows * TIMES:,} rows"
    return Section(
        "memory",
        f"Peak resident memory of each process, the highest of its runs. {more}: the same files "
        f"{TIMES} times. Rows as dicts: on its tenth of the rows.",
        [
            _peak("load_peak_mb", "load", of.loads, limit=800),
            _peak("normalize_peak_mb", "normalise", of.normalizes, limit=800),
            _peak("duckdb_peak_mb", "DuckDB COPY", of.copies),
            _peak("peer_peak_mb", "rows as dicts", [bench.peer]),
            _peak("load_idle_peak_mb", "load of nothing", of.load_idle),
            walls("grown_load_wall_s", f"load of {more}", grown.loads),
            walls("grown_normalize_wall_s", f"normalise of {more}", grown.normalizes),
            _peak("grown_load_peak_mb", f"load of {more}", grown.loads, limit=800),
            _peak("grown_normalize_peak_mb", f"normalise of {more}", grown.normalizes, limit=800),
            _growth("load_growth", f"load, {more}", grown.loads, of.loads),
            _growth("normalize_growth", f"normalise, {more}", grown.normalizes, of.normalizes),
        ],
    )


def unchanged(bench: Bench) -> Section:
    """A run in which the provider has nothing new: 24 periods of 10 files."""
    bench.say(f"unchanged: making and loading {bench.periods} periods of {FILES} files")
    shape = Shape(SMALL, FILES, periods=_periods(bench.periods))
    months = bill(bench.home / "bills", shape)
    place = bench.workplace("unchanged", export(bench.home / "buckets" / "unchanged", months))
    first = [place.pipelines("load", "aws"), place.pipelines("normalize", "aws")]
    starts, imports, loads, normalizes = [], [], [], []
    for number in range(1, bench.rounds + 1):
        bench.say(f"unchanged: round {number} of {bench.rounds}")
        starts.append(run(["-c", START_UP], place.environ))
        imports.append(run(["-c", IMPORTS], place.environ))
        loads.append(place.pipelines("load", "aws"))
        normalizes.append(place.pipelines("normalize", "aws"))
    shutil.rmtree(place.folder)
    own_load, own_normalize = beyond(loads, starts), beyond(normalizes, starts)
    return Section(
        "unchanged",
        f"load and then normalise when {bench.periods} periods of {FILES} files are published and "
        "current. Start-up: a Python that imports dlt and makes a pipeline; it is taken off each "
        "command. Everything else counts as ours, our imports of pandas and boto3 too.",
        [
            walls("first_load_wall_s", "first load of all periods", first[:1]),
            walls("first_normalize_wall_s", "first normalise of all periods", first[1:]),
            walls("start_up_s", "start-up of Python and dlt", starts),
            walls("imports_s", "start-up of Python and all imports of ours", imports),
            walls("unchanged_load_wall_s", "load, the whole command", loads),
            walls("unchanged_normalize_wall_s", "normalise, the whole command", normalizes),
            Figure("unchanged_load_s", "load beyond start-up", own_load, "s"),
            Figure("unchanged_normalize_s", "normalise beyond start-up", own_normalize, "s"),
            Figure("unchanged_s", "both beyond start-up", own_load + own_normalize, "s", limit=3.0),
        ],
    )


def beyond(runs: list[Ran], idle: list[Ran]) -> float:
    """Seconds beyond start-up. Of a tiny bill less than the noise: then a millisecond."""
    return max(median(runs) - median(idle), 0.001)


def _periods(count: int) -> tuple[str, ...]:
    return tuple(f"{2025 + month // 12}-{month % 12 + 1:02d}" for month in range(count))


def seconds(key: str, what: str, runs: tuple[float, ...], limit: float | None = None) -> Figure:
    """The median of some runs."""
    return Figure(key, what, statistics.median(runs), "s", limit, spread=runs)


def walls(key: str, what: str, runs: list[Ran]) -> Figure:
    """The median wall time of some processes."""
    return seconds(key, what, tuple(ran.seconds for ran in runs))


def _peak(key: str, what: str, runs: list[Ran], limit: float | None = None) -> Figure:
    return Figure(key, f"{what}, peak memory", peak(runs), "MB", limit)


def _growth(key: str, what: str, more: list[Ran], less: list[Ran]) -> Figure:
    return Figure(key, f"{what}: peak memory grows", peak(more) / peak(less), "×", limit=1.3)
