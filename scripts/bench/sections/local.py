"""Sections on local parquet: load and normalise, against DuckDB and against rows as dicts."""

from __future__ import annotations

import shutil
import statistics

from scripts.bench.data.bucket import Shape, bill, export
from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, peak, run
from scripts.bench.runs import MONTH, TIMES, Bench, beyond

IMPORTS = "import pipelines.cli.load, pipelines.cli.normalize"
START_UP = "import dlt; dlt.pipeline('start_up', destination='filesystem', dataset_name='none')"
FILES = 10  # in each period of the run without change
SMALL = 2_000  # rows in each of those periods


def load(bench: Bench) -> Section:
    """Load, and load with normalise, against DuckDB's COPY of the same files."""
    of = bench.plain
    both = of.load + of.normalize
    return Section(
        "load",
        "Medians. DuckDB: the COPY statement alone (parquet to parquet, its defaults, all cores). "
        "Ours: wall time of the command less that of the same command on an empty selection, "
        "which is Python, imports, dlt, configuration and the listing. Normalise makes the daily "
        "table, too; marts are measured by themselves.",
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
            Figure("both_ratio", "load + normalise : COPY", both / of.duckdb, "×", limit=0.65),
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
            Figure("unique_ratio", "load + normalise : COPY", both / of.duckdb, "×", limit=0.9),
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


def month(bench: Bench) -> Section:
    """A month of ten times the rows, all of them different."""
    of, more = bench.plain, bench.month
    start = statistics.median(each.seconds for each in of.load_idle + of.normalize_idle)
    own = more.loads[0].seconds + more.normalizes[0].seconds - 2 * start
    what = f"{bench.rows * MONTH:,} rows"
    return Section(
        "month",
        f"A month of {what} in {4 * MONTH} files, no row twice, against one of {bench.rows:,}. "
        "Seconds are beyond start-up.",
        [
            walls("month_load_wall_s", f"load of {what}", more.loads),
            walls("month_normalize_wall_s", f"normalise of {what}", more.normalizes),
            Figure("month_times", f"load + normalise : {MONTH} times that of {bench.rows:,} rows",
                   own / (of.load + of.normalize) / MONTH, "×", limit=1.1),
            _peak("month_load_peak_mb", f"load of {what}", more.loads, limit=800),
            _peak("month_normalize_peak_mb", f"normalise of {what}", more.normalizes, limit=800),
            _growth("month_load_growth", f"load, {what}", more.loads, of.loads),
            _growth("month_normalize_growth", f"normalise, {what}", more.normalizes,
                    of.normalizes),
        ],
    )  # fmt: skip


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
    work = beyond(loads, imports) + beyond(normalizes, imports)
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
            Figure("unchanged_work_s", "both beyond all imports: the work itself", work, "s"),
            Figure("unchanged_s", "both beyond start-up", own_load + own_normalize, "s", limit=3.0),
        ],
    )


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
