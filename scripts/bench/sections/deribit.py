"""Section on Deribit: days of trades from the sandbox to parquet and to ClickHouse."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from pipelines.providers.deribit.settings import DeribitSettings
from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, Workplace, peak, run, serving
from scripts.bench.runs import NO_MARTS, NOTHING, Bench, beyond
from scripts.bench.sections.local import seconds, walls
from scripts.bench.servers.clickhouse import Server

DAYS = 5
THREADS = 4
AT_ONCE = 1_000_000.0  # requests a second: no pace at all
PACE = DeribitSettings().requests_per_second
LOOP = ("-m", "scripts.bench.yardsticks.deribit_loop")


@dataclass
class Exchange:
    """The sandbox's process, by its two streams."""

    asking: IO[str]
    answers: IO[str]
    ready: dict[str, Any]

    def tell(self) -> tuple[float, list[str]]:
        """Seconds of CPU so far, and what it was asked since it told last."""
        self.asking.write("\n")
        self.asking.flush()
        said = json.loads(self.answers.readline())
        return float(said["seconds"]), said["asked"]

    @property
    def environ(self) -> dict[str, str]:
        """What the pipeline needs to read from it."""
        return dict(self.ready["environ"]) | {
            "SOURCES__DERIBIT__CURRENCIES": '["BTC"]',
            "SOURCES__DERIBIT__EXPIRED_INSTRUMENTS": "false",
            "SOURCES__DERIBIT__PARALLEL": str(THREADS),
            "SOURCES__DERIBIT__REQUESTS_PER_SECOND": str(AT_ONCE),
        }

    @property
    def days(self) -> tuple[str, ...]:
        """The options that choose all of its days."""
        return ("--from", self.ready["first"], "--to", self.ready["last"])


@dataclass
class Measured:
    """Every way, in turns."""

    idle: list[Ran] = field(default_factory=list)
    loads: list[Ran] = field(default_factory=list)
    again: list[Ran] = field(default_factory=list)
    normalizes: list[Ran] = field(default_factory=list)
    warehouse_idle: list[Ran] = field(default_factory=list)
    warehouse_loads: list[Ran] = field(default_factory=list)
    loops: list[float] = field(default_factory=list)
    paced_loads: list[Ran] = field(default_factory=list)
    paced_loops: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    requests: int = 0


def deribit(bench: Bench) -> Section:
    """Half the bill's rows as trades, against a bare loop of the same requests."""
    rows = bench.rows // 2
    bench.say(f"deribit: making {rows:,} trades")
    of = Measured()
    folder = bench.home / "work" / "deribit-server"
    shutil.rmtree(folder, ignore_errors=True)
    with _exchange(rows) as exchange, Server(folder) as server:
        place = bench.workplace("deribit", bench.home)
        place.environ |= exchange.environ
        into = exchange.environ | {"DLT_DESTINATION": "clickhouse"}
        warehouse = Workplace(bench.home / "work" / "deribit-clickhouse", bench.home, into)
        for number in range(1, bench.rounds + 1):
            bench.say(f"deribit: round {number} of {bench.rounds}")
            _parquet(of, place, exchange)
            warehouse.empty()
            server.database = f"round_{number}"
            warehouse.environ |= server.environ
            warehouse.pipelines("migrate")
            of.warehouse_idle.append(warehouse.pipelines("load", "deribit", *NOTHING))
            of.warehouse_loads.append(warehouse.pipelines("load", "deribit", *exchange.days))
            server.settle()
        for used in (place, warehouse):
            shutil.rmtree(used.folder)
    return _section(rows, of)


def _parquet(of: Measured, place: Workplace, exchange: Exchange) -> None:
    """Load and normalise once, and the bare loop over what the load had asked for."""
    place.empty()
    of.idle.append(place.pipelines("load", "deribit", *NOTHING))
    before, _ = exchange.tell()
    of.loads.append(place.pipelines("load", "deribit", *exchange.days))
    after, asked = exchange.tell()
    of.theirs.append(after - before)
    of.requests = len(asked)
    of.normalizes.append(place.pipelines("normalize", "deribit", *NO_MARTS))
    of.again.append(place.pipelines("load", "deribit", *exchange.days))
    of.loops.append(_loop(place, exchange, asked, AT_ONCE))
    if not of.paced_loads:  # it waits most of the time: once is enough
        place.empty()
        pace = {"SOURCES__DERIBIT__REQUESTS_PER_SECOND": str(PACE)}
        day = exchange.ready["first"]
        arguments = ["-m", "pipelines", "load", "deribit", "--from", day, "--to", day]
        exchange.tell()
        of.paced_loads.append(run(arguments, place.environ | pace))
        of.paced_loops.append(_loop(place, exchange, exchange.tell()[1], PACE))


def _loop(place: Workplace, exchange: Exchange, asked: list[str], pace: float) -> float:
    """Seconds of the bare loop."""
    paths = place.folder / "asked.txt"
    paths.write_text("\n".join(asked) + "\n", encoding="utf-8")
    ran = run([*LOOP, exchange.ready["url"], paths, str(THREADS), str(pace)])
    return float(ran.said["seconds"])


def _section(rows: int, of: Measured) -> Section:
    paced = beyond(of.paced_loads, of.idle) / statistics.median(of.paced_loops)
    load = beyond(of.loads, of.idle)
    both = load + beyond(of.normalizes, of.idle)
    warehouse = beyond(of.warehouse_loads, of.warehouse_idle)
    return Section(
        "deribit",
        f"{rows:,} trades of {DAYS} days from the sandbox, a process of its own that shares the "
        f"cores. Bare loop: the {of.requests:,} requests of the load again, in {THREADS} threads, "
        "answers thrown away. Ours: wall time of the command less that on an empty selection. At "
        f"Deribit's pace: one day, both at {PACE:g} requests a second.",
        [
            seconds("deribit_loop_s", "bare loop of the requests", tuple(of.loops)),
            seconds("deribit_sandbox_s", "of the load, the sandbox's CPU", tuple(of.theirs)),
            walls("deribit_idle_wall_s", "load of nothing: start-up", of.idle),
            walls("deribit_load_wall_s", "load, the whole command", of.loads),
            walls("deribit_again_wall_s", "load of days that are closed", of.again),
            walls("deribit_normalize_wall_s", "normalise, the whole command", of.normalizes),
            walls("deribit_clickhouse_wall_s", "load into ClickHouse, the whole command",
                  of.warehouse_loads),
            Figure("deribit_load_cpu_s", "load, CPU per million trades, start-up included",
                   statistics.median(ran.cpu_seconds for ran in of.loads) / rows * 1e6, "s",
                   limit=12.0),
            seconds("deribit_paced_loop_s", "bare loop at Deribit's pace", tuple(of.paced_loops)),
            walls("deribit_paced_wall_s", "load at Deribit's pace", of.paced_loads),
            Figure("deribit_paced_ratio", "load : bare loop at Deribit's pace", paced, "×",
                   limit=1.05),
            Figure("deribit_rate", "load and normalise, parquet", rows / both, "rows/s"),
            Figure("deribit_clickhouse_rate", "load, ClickHouse", rows / warehouse, "rows/s"),
            Figure("deribit_load_peak_mb", "load, peak memory", peak(of.loads), "MB", limit=800),
            Figure("deribit_normalize_peak_mb", "normalise, peak memory", peak(of.normalizes),
                   "MB", limit=800),
            Figure("deribit_clickhouse_peak_mb", "load into ClickHouse, peak memory",
                   peak(of.warehouse_loads), "MB", limit=800),
        ],
    )  # fmt: skip


@contextmanager
def _exchange(trades: int) -> Iterator[Exchange]:
    with serving("-m", "scripts.bench.servers.deribit", trades, DAYS) as streams:
        yield Exchange(*streams)
