"""Section on Stripe: a ledger from the sandbox to raw parquet, beside a loop that only counts."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scripts.bench.figures import Figure, Section
from scripts.bench.process import BenchError, Ran, median, peak, run, serving
from scripts.bench.runs import NOTHING, Bench
from scripts.bench.sections.local import seconds, walls

PAGE = 100
_LOOP = ("-m", "scripts.bench.yardsticks.stripe_loop")
_SERVER = ("-m", "scripts.bench.servers.stripe")


def stripe(bench: Bench) -> Section:
    """A twentieth of the bill's rows as balance transactions, each method in turns."""
    rows = bench.rows // 20
    bench.say(f"stripe: {rows:,} balance transactions")
    loops, idle, loads, again = [], [], [], []
    with _sandbox(rows) as sandbox:
        environ = sandbox["environ"]
        address, key = (
            environ[f"SOURCES__STRIPE__{name}"] for name in ("API_BASE", "STRIPE_SECRET_KEY")
        )
        place = bench.workplace("stripe", bench.home)
        place.environ |= environ
        for number in range(1, bench.rounds + 1):
            bench.say(f"stripe: round {number} of {bench.rounds}")
            place.empty()
            loops.append(_counted(run([*_LOOP, address, key]), rows))
            idle.append(place.pipelines("load", "stripe", *NOTHING))
            loads.append(place.pipelines("load", "stripe"))
            again.append(place.pipelines("load", "stripe"))
        shutil.rmtree(place.folder)
    return _section(rows, sandbox["months"], loops, idle, loads, again)


def _section(
    rows: int,
    months: int,
    loops: list[float],
    idle: list[Ran],
    loads: list[Ran],
    again: list[Ran],
) -> Section:
    load, loop, requests = median(loads) - median(idle), statistics.median(loops), rows / PAGE
    return Section(
        "stripe",
        f"{rows:,} balance transactions in {months} months, in pages of {PAGE}, from a sandbox in "
        "a process of its own. The loop is the client's own auto-paging and only counts.",
        [
            seconds("stripe_loop_s", "the loop", tuple(loops)),
            walls("stripe_load_wall_s", "load, the whole command", loads),
            walls("stripe_start_up_s", "load of no month", idle),
            seconds("stripe_load_s", "load beyond start-up", (load,)),
            walls("stripe_unchanged_s", "load again, nothing changed", again),
            Figure("stripe_loop_rate", "the loop", requests / loop, "requests/s"),
            Figure("stripe_rate", "load beyond start-up", requests / load, "requests/s"),
            Figure("stripe_ratio", "load : the loop", load / loop, "×", limit=1.3),
            Figure("stripe_load_peak_mb", "load, peak memory", peak(loads), "MB", limit=800),
        ],
    )


def _counted(ran: Ran, rows: int) -> float:
    if ran.said["rows"] != rows:
        raise BenchError(f"the loop counted {ran.said['rows']} of {rows} rows")
    return float(ran.said["seconds"])


@contextmanager
def _sandbox(rows: int) -> Iterator[Mapping[str, Any]]:
    with serving(*_SERVER, rows) as (_, _, ready):
        yield ready
