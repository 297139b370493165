"""Section on GCP: a billing export from the BigQuery sandbox to normalised parquet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, peak, run, serving
from scripts.bench.runs import Bench, beyond
from scripts.bench.sections.local import seconds, walls

TABLE = "example-billing.billing_export.gcp_billing_export_resource_v1_01A2B3_C4D5E6_F70819"


@dataclass
class Sandbox:
    """The server's process, by its two streams."""

    asking: IO[str]
    answers: IO[str]
    ready: dict[str, Any]

    def seconds(self) -> float:
        """How long it has answered so far."""
        self.asking.write("\n")
        self.asking.flush()
        return float(json.loads(self.answers.readline())["seconds"])

    @property
    def environ(self) -> dict[str, str]:
        """What the pipeline needs to read from it."""
        return dict(self.ready["environ"]) | {
            "SOURCES__GCP__CREDENTIALS": json.dumps(self.ready["account"]),
            "SOURCES__GCP__TABLES": json.dumps([TABLE]),
        }


def gcp(bench: Bench) -> Section:
    """Half the bill's rows from BigQuery pages, against DuckDB reading them as newline JSON."""
    rows = bench.rows // 2
    bench.say(f"gcp: making {rows:,} rows of a billing export")
    loads, normalizes, idle = [], [], list[tuple[Ran, Ran]]()
    copies, theirs = list[float](), list[float]()
    with _sandbox(bench.home / "work" / "bigquery", rows) as sandbox:
        place = bench.workplace("gcp", bench.home)
        place.environ |= sandbox.environ
        for number in range(1, bench.rounds + 1):
            bench.say(f"gcp: round {number} of {bench.rounds}")
            target = bench.home / "work" / "yardstick.parquet"
            copies.append(run([*_YARDSTICK, target, sandbox.ready["lines"]]).said["seconds"])
            place.empty()
            before = sandbox.seconds()
            loads.append(place.pipelines("load", "gcp"))
            theirs.append(sandbox.seconds() - before)
            normalizes.append(place.pipelines("normalize", "gcp"))
            idle.append((place.pipelines("load", "gcp"), place.pipelines("normalize", "gcp")))
        shutil.rmtree(place.folder)
    return _section(rows, loads, normalizes, idle, copies, theirs)


_YARDSTICK = ("-m", "scripts.bench.yardsticks.duckdb")


def _section(
    rows: int,
    loads: list[Ran],
    normalizes: list[Ran],
    idle: list[tuple[Ran, Ran]],
    copies: list[float],
    theirs: list[float],
) -> Section:
    ours = [load.seconds - their for load, their in zip(loads, theirs, strict=True)]
    idle_loads, idle_normalizes = ([runs[which] for runs in idle] for which in (0, 1))
    both = beyond(loads, idle_loads) + beyond(normalizes, idle_normalizes)
    sandbox = sorted(theirs)[len(theirs) // 2]
    copy = sorted(copies)[len(copies) // 2]
    return Section(
        "gcp",
        f"{rows:,} rows of the detailed export in 4 days, over REST pages. DuckDB: COPY of the "
        "same rows from newline JSON to parquet. The sandbox runs the queries and writes the "
        "pages; its seconds are those in which it answers, which the load waits for. Ratios leave "
        "out what the two commands take when there is nothing new.",
        [
            seconds("gcp_duckdb_s", "DuckDB, newline JSON to parquet", tuple(copies)),
            walls("gcp_load_wall_s", "load, the whole command", loads),
            walls("gcp_idle_wall_s", "load of nothing new", idle_loads),
            seconds("gcp_sandbox_s", "of the load, the sandbox's", tuple(theirs)),
            seconds("gcp_ours_s", "of the load, ours", tuple(ours)),
            walls("gcp_normalize_wall_s", "normalise, the whole command", normalizes),
            walls("gcp_normalize_idle_wall_s", "normalise nothing new", idle_normalizes),
            Figure("gcp_share", "share of load and normalise that is ours",
                   (both - sandbox) / both, "×"),
            Figure("gcp_ratio", "load + normalise : DuckDB", both / copy, "×"),
            Figure("gcp_ours_ratio", "the same without the sandbox : DuckDB",
                   (both - sandbox) / copy, "×", limit=3.0),
            Figure("gcp_load_peak_mb", "load, peak memory", peak(loads), "MB", limit=800),
        ],
    )  # fmt: skip


@contextmanager
def _sandbox(folder: Path, rows: int) -> Iterator[Sandbox]:
    folder.mkdir(parents=True, exist_ok=True)
    with serving("-m", "scripts.bench.servers.gcp", folder, rows) as streams:
        yield Sandbox(*streams)
