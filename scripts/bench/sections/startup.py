"""Section startup: what the commands cost that load nothing."""

from __future__ import annotations

import shutil

from scripts.bench.data.bucket import Shape, bill, export
from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, run
from scripts.bench.runs import Bench
from scripts.bench.sections.local import seconds

CONFIGURATION = "import dlt; dlt.config.get('destination.filesystem.bucket_url')"
ROWS = 2_000


def startup(bench: Bench) -> Section:
    """CPU seconds of `--help` and of `status` over one published month."""
    bench.say("startup: loading one small month")
    months = bill(bench.home / "bills", Shape(ROWS))
    place = bench.workplace("startup", export(bench.home / "buckets" / "startup", months))
    for command in ("load", "normalize"):
        place.pipelines(command, "aws")
    python, dlt, helps, statuses = [], [], [], []
    for number in range(1, bench.rounds + 1):
        bench.say(f"startup: round {number} of {bench.rounds}")
        python.append(run(["-c", "pass"], place.environ))
        dlt.append(run(["-c", CONFIGURATION], place.environ))
        helps.append(place.pipelines("--help"))
        statuses.append(place.pipelines("status"))
    shutil.rmtree(place.folder)
    return Section(
        "startup",
        "Medians of CPU seconds (user and system), which another process disturbs less than wall "
        "time. `status` reads one published month. Importing dlt imports all of it, so the third "
        "line is the least that a command can cost that reads the configuration.",
        [
            _cpu("python_cpu_s", "python -c pass", python),
            _cpu("help_cpu_s", "python -m pipelines --help", helps, limit=0.35),
            _cpu("configuration_cpu_s", "import dlt, read one key of the configuration", dlt),
            _cpu("status_cpu_s", "python -m pipelines status", statuses, limit=0.9),
        ],
    )


def _cpu(key: str, what: str, runs: list[Ran], limit: float | None = None) -> Figure:
    return seconds(key, what, tuple(ran.cpu_seconds for ran in runs), limit)
