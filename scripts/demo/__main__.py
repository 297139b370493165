"""`make demo`: a made-up company's bills, revenue and trades through the real pipeline.

Everything is computed: sandboxes stand for the providers (demo_world.py), the commands load and
normalise what they have, and the tables (demo_tables.py) are queries over what was published.
Nothing outside its folder is read for it or changed: no bucket, server or secret that is configured
on this machine.

    python -m scripts.demo [--dir .demo] [--pictures docs]
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from pipelines.cli import report
from pipelines.cli.output.tables import table
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.configuration.local_server import running_server
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.text import size
from scripts.demo import plans
from scripts.demo.pictures import take
from scripts.demo.tables import (
    AS_OF,
    BY_MONTH,
    BY_SERVICE,
    BY_TAG,
    HEADLINE,
    MARGIN,
    RESTATED,
    TRADES,
    Shown,
)
from scripts.demo.world import World
from scripts.sandbox.aws import months

ROOT = Path(__file__).resolve().parents[2]

#: What the demo makes in its folder, and removes when it runs again.
PARTS = ("bucket", "data", "dlt", "clickhouse", "project", "log", "report.html", "report.png")
FOLDERS = (
    "aws_costs",
    "gcp_costs",
    "normalized_aws",
    "normalized_gcp",
    "marts/costs",
    "deliveries",
)
#: Not asked of made-up sources that end in the past: nothing later can prove their last days.
WITHOUT = ("freshness", "stripe_pending", "deribit_open_days")
CHECK = ["check", *(word for name in WITHOUT for word in ("--without", name))]
CONFIGURED = (
    "AWS_",
    "SOURCES__",
    "DESTINATION__",
    "CLICKHOUSE_",
    "NORMALIZE__",
    "DLT_",
    "LOAD__",
    "GOOGLE_",
)
out = Console(width=None if sys.stdout.isatty() else 110, highlight=False)


@dataclass(frozen=True)
class Demo:
    """The demo's folder and what lies in it."""

    folder: Path

    @property
    def bucket(self) -> Path:
        """What AWS delivers into."""
        return self.folder / "bucket"

    @property
    def data(self) -> Path:
        """What readers read."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The line of each partition, where there are many."""
        return self.folder / "log"

    @property
    def server(self) -> Path:
        """The folder of the demo's ClickHouse."""
        return self.folder / "clickhouse"

    def begin(self) -> None:
        """An empty folder. Raises FileExistsError rather than remove what is not the demo's."""
        have = {path.name for path in self.folder.glob("*")}
        if not have <= {*PARTS} or (have and "bucket" not in have):
            raise FileExistsError(
                f"{self.folder} holds {', '.join(sorted(have))}. Name an empty folder with --dir"
            )
        if running_server(self.server):  # a demo that was killed left it behind
            local_clickhouse("down", self.server)
        for part in (self.folder / part for part in PARTS):
            if part.is_file():
                part.unlink()
            shutil.rmtree(part, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def configure(self, world: World) -> None:
        """The demo's own configuration, and no other."""
        (self.folder / "project" / ".dlt").mkdir(parents=True)
        for name in [name for name in os.environ if name.startswith(CONFIGURED)]:
            del os.environ[name]
        os.environ |= world.environ | {
            "DLT_PROJECT_DIR": str(self.folder / "project"),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data),
            "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
            **plans.write(self.folder / "project"),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """The demo's exit status: 0 when every command and every check succeeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=ROOT / ".demo", help="default: .demo")
    parser.add_argument(
        "--pictures", type=Path, help="a folder for pictures of the report, as docs"
    )
    options = parser.parse_args(arguments)
    demo = Demo(options.dir.resolve())
    try:
        demo.begin()
    except FileExistsError as error:
        parser.error(str(error))
    with World(demo.bucket) as world:
        demo.configure(world)
        failed = filesystem(demo, world) + overview(demo, options.pictures)
        return 1 if failed + clickhouse(demo) else 0


def filesystem(demo: Demo, world: World) -> int:
    """Load, restate and load again, to parquet; how many commands failed."""
    heading(
        "AWS delivers four months, Google exports to BigQuery, Stripe earns; load and normalise"
    )
    failed = commands(["load"], ["normalize"], log=demo.log)
    show(demo, BY_MONTH)
    heading(f"AWS restates {months.RESTATED_PERIOD}, Google corrects; the same commands again")
    world.restate()
    failed += commands(["load"], ["normalize"])
    for shown in (AS_OF, HEADLINE, BY_MONTH, BY_SERVICE, BY_TAG, RESTATED, MARGIN, TRADES):
        show(demo, shown)
    heading("A third run, with nothing changed; then the checks")
    failed += commands(["load"], ["normalize"], CHECK)
    where_the_files_lie(demo)
    return failed


def overview(demo: Demo, pictures: Path | None) -> int:
    """Write the report and its picture, where there is a browser; how much failed."""
    heading("The overview as a page")
    page = demo.folder / "report.html"
    failed = report.main(["--out", str(page)])
    for line in () if failed else take(page, pictures):
        out.print(line, soft_wrap=True)
    return failed


def clickhouse(demo: Demo) -> int:
    """Load into a server started for the demo, and compare; how much failed."""
    heading("The same into ClickHouse, a real server from the environment's own wheel")
    local_clickhouse("up", demo.server, "--port", "0", "--http-port", "0")
    try:
        running = running_server(demo.server)
        if running is None or running.password is None:
            raise RuntimeError(f"the server in {demo.server} is not running")
        os.environ |= {
            "CLICKHOUSE_MODE": "local",
            "CLICKHOUSE_PORT": str(running.port),
            "CLICKHOUSE_HTTP_PORT": str(running.http_port),
            "CLICKHOUSE_USER": running.user,
            "CLICKHOUSE_PASSWORD": running.password,
            "DLT_DESTINATION": "clickhouse",
        }
        failed = commands(["load"], log=demo.log) + commands(["load"], CHECK)
        return failed + side_by_side(demo)
    finally:
        local_clickhouse("down", demo.server)


def local_clickhouse(command: str, folder: Path, *options: str) -> None:
    """scripts/local_clickhouse.py, which says itself what went wrong."""
    script = [sys.executable, "-m", "scripts.local_clickhouse"]
    line = [*script, command, "--dir", str(folder), *options]
    subprocess.run(line, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def side_by_side(demo: Demo) -> int:
    """Both destinations by provider and month, and by month; how many rows differ by more than a
    millionth."""
    with ClickHouseManager(ClickHouseConfig.from_env(os.environ)) as manager:
        return compare(demo, manager, BY_MONTH, "Both destinations: cost", (0, 4)) + compare(
            demo, manager, MARGIN, "Both destinations: margin", (0, 5)
        )


def compare(
    demo: Demo, manager: ClickHouseManager, shown: Shown, title: str, at: tuple[int, int]
) -> int:
    """One query on both destinations; two of its figures are shown, all are compared."""
    keys = shown.keys
    by_parquet = {row[:keys]: row[keys:] for row in rows_of(demo, shown.sql)}
    by_server = {row[:keys]: row[keys:] for row in manager.execute(shown.sql)}
    rows, differing = [], 0
    for key in sorted(by_parquet.keys() | by_server.keys()):
        one, other = by_parquet.get(key, ()), by_server.get(key, ())
        agrees = len(one) == len(other) and all(map(_is_near, one, other))
        differing += not agrees
        pairs = [side[n] if n < len(side) else None for n in at for side in (one, other)]
        rows.append((*shown.named(key), *pairs, agrees))
    figures = [shown.columns[keys + n] for n in at]
    names = [f"{figure}\n{where}" for figure in figures for where in ("parquet", "ClickHouse")]
    known = shown.columns[:keys]
    out.print(table(title, (*known, *names, "agree"), rows, names, known))
    return differing


def _is_near(one: Any, other: Any) -> bool:
    return abs(float(one) - float(other)) < 1e-6


def commands(*wanted: list[str], log: Path | None = None) -> int:
    """Run commands of `python -m pipelines`; how many failed. `log` takes the line of each
    partition, where there are too many to read."""
    failed = 0
    for arguments in wanted:
        out.print(f"[bold]$ python -m pipelines {' '.join(arguments)}[/]")
        with ExitStack() as stack:
            if log:
                lines = stack.enter_context(log.open("a", encoding="utf-8"))
                stack.enter_context(redirect_stderr(lines))
            sys.argv[1:] = arguments
            try:
                runpy.run_module("pipelines", run_name="__main__")
            except SystemExit as end:
                failed += end.code != 0
        if failed and log:
            out.print(log.read_text(encoding="utf-8"), markup=False)
    return failed


def heading(text: str) -> None:
    """One step of the story."""
    out.print(f"\n[bold cyan]{text}[/]")


def show(demo: Demo, shown: Shown) -> None:
    """Print a query over the published files as a table."""
    rows = [shown.named(row) for row in rows_of(demo, shown.sql)]
    out.print(table(shown.title, shown.columns, rows, shown.right))


def rows_of(demo: Demo, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the published files."""
    with duckdb.connect(":memory:") as duck:
        duck.execute("set timezone = 'UTC'")
        for folder in [demo.data / "deliveries", *(demo.data / "marts").iterdir()]:
            pattern = f"{escape(str(folder))}/*.parquet".replace("'", "''")
            duck.execute(f"create view {folder.name} as from read_parquet('{pattern}')")
        return duck.execute(sql).fetchall()


def where_the_files_lie(demo: Demo) -> None:
    """The published folders and what they hold."""
    heading("Where the files lie")
    rows = []
    for name in FOLDERS:
        folder = demo.data / name
        files = list(folder.rglob("*.parquet"))
        shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        rows.append((str(shown), len(files), size(sum(file.stat().st_size for file in files))))
    out.print(table("", ("folder", "parquet files", "size"), rows, ("parquet files", "size")))


if __name__ == "__main__":
    sys.exit(main())
