"""Section on GCP: a billing export from the BigQuery sandbox to normalised parquet."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, Workplace, peak, run, serving
from scripts.bench.runs import NO_MARTS, Bench, beyond
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


@dataclass
class Measured:
    """Rounds of one way to read: what they took, and the sandbox's seconds of each load."""

    rows: int
    loads: list[Ran] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    normalizes: list[Ran] = field(default_factory=list)
    idle_loads: list[Ran] = field(default_factory=list)
    idle_normalizes: list[Ran] = field(default_factory=list)

    def round(self, place: Workplace, sandbox: Sandbox, *options: str) -> None:
        """From nothing to normalised parquet, then both commands once more."""
        place.empty()
        before = sandbox.seconds()
        self.loads.append(place.pipelines("load", "gcp", *options))
        self.theirs.append(sandbox.seconds() - before)
        self.normalizes.append(place.pipelines("normalize", "gcp", *NO_MARTS))
        self.idle_loads.append(place.pipelines("load", "gcp", *options))
        self.idle_normalizes.append(place.pipelines("normalize", "gcp", *NO_MARTS))

    @property
    def load(self) -> float:
        """Seconds of the load beyond start-up and beyond the sandbox's."""
        return beyond(self.loads, self.idle_loads) - statistics.median(self.theirs)

    @property
    def normalize(self) -> float:
        """Seconds of normalising beyond start-up."""
        return beyond(self.normalizes, self.idle_normalizes)


def gcp(bench: Bench) -> Section:
    """Half the bill's rows from BigQuery, against DuckDB reading them as newline JSON."""
    rows = bench.rows // 2
    bench.say(f"gcp: making {rows:,} rows of a billing export")
    copies = list[float]()
    with _sandbox(bench.home / "work" / "bigquery", rows) as sandbox:
        days = sandbox.ready["days"]
        storage, pages = Measured(rows), Measured(rows // len(days))
        place = bench.workplace("gcp", bench.home)
        place.environ |= sandbox.environ
        for number in range(1, bench.rounds + 1):
            bench.say(f"gcp: round {number} of {bench.rounds}")
            target = bench.home / "work" / "yardstick.parquet"
            copies.append(run([*_YARDSTICK, target, sandbox.ready["lines"]]).said["seconds"])
            storage.round(place, sandbox)
        place.environ["SOURCES__GCP__STORAGE_API"] = "false"
        for number in range(1, bench.rounds + 1):
            bench.say(f"gcp: a day, {pages.rows:,} rows, over REST, {number} of {bench.rounds}")
            pages.round(place, sandbox, "--to", days[0])
        shutil.rmtree(place.folder)
    return _section(storage, pages, tuple(copies))


_YARDSTICK = ("-m", "scripts.bench.yardsticks.duckdb")


def _section(storage: Measured, pages: Measured, copies: tuple[float, ...]) -> Section:
    copy = statistics.median(copies)
    as_pages = pages.load * storage.rows / pages.rows
    return Section(
        "gcp",
        f"{storage.rows:,} rows of the detailed export in {storage.rows // pages.rows} days, by "
        "the Storage Read API; one of these days as REST pages. DuckDB: COPY of the same rows from "
        "newline JSON to parquet. The sandbox's seconds are those of its answers over REST, which "
        "the load waits for; what it does meanwhile is in them. Ratios leave these out, and what "
        "the two commands take when there is nothing new; that of REST pages is of the day's load "
        "as often as there are days.",
        [
            seconds("gcp_duckdb_s", "DuckDB, newline JSON to parquet", copies),
            walls("gcp_load_wall_s", "load, the whole command", storage.loads),
            walls("gcp_idle_wall_s", "load of nothing new", storage.idle_loads),
            seconds("gcp_sandbox_s", "of the load, the sandbox's", tuple(storage.theirs)),
            walls("gcp_normalize_wall_s", "normalise, the whole command", storage.normalizes),
            walls("gcp_normalize_idle_wall_s", "normalise nothing new", storage.idle_normalizes),
            Figure("gcp_ratio", "load + normalise without the sandbox : DuckDB",
                   (storage.load + storage.normalize) / copy, "×", limit=1.5),
            Figure("gcp_load_cpu_s", "load, CPU per million rows beyond start-up",
                   _cpu(storage), "s"),
            Figure("gcp_load_peak_mb", "load, peak memory", peak(storage.loads), "MB", limit=800),
            walls("gcp_rest_load_wall_s", "load of one day as REST pages", pages.loads),
            seconds("gcp_rest_sandbox_s", "of it, the sandbox's", tuple(pages.theirs)),
            Figure("gcp_rest_ratio", "REST pages: load + normalise without the sandbox : DuckDB",
                   (as_pages + storage.normalize) / copy, "×", limit=2.8),
        ],
    )  # fmt: skip


def _cpu(measured: Measured) -> float:
    loads, idle = (
        statistics.median(each.cpu_seconds for each in runs)
        for runs in (measured.loads, measured.idle_loads)
    )
    return (loads - idle) / measured.rows * 1e6


@contextmanager
def _sandbox(folder: Path, rows: int) -> Iterator[Sandbox]:
    folder.mkdir(parents=True, exist_ok=True)
    with serving("-m", "scripts.bench.servers.gcp", folder, rows) as streams:
        yield Sandbox(*streams)
