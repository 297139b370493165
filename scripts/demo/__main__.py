"""`make demo`: a made-up company's bills, revenue and trades through the real pipeline.

Everything is computed: sandboxes stand for the providers (world.py), the commands load and
normalise what they have, and the tables (tables.py) are queries over what was published.
Nothing outside its folder is read for it or changed: no bucket, server or secret that is configured
on this machine.

    python -m scripts.demo [--dir .demo] [--pictures docs]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.cli import report
from pipelines.cli.output.tables import table
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.configuration.local_server import running_server
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.demo.folder import ROOT, Demo, local_clickhouse
from scripts.demo.output import commands, heading, out, rows_of, show, verdict, where_the_files_lie
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

#: Not asked of made-up sources that end in the past: nothing later can prove their last days.
WITHOUT = ("freshness", "stripe_pending", "deribit_open_days")
CHECK = ["check", *(word for name in WITHOUT for word in ("--without", name))]


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
        failed = filesystem(demo, world) + overview(demo, options.pictures) + clickhouse(demo)
    verdict(demo, failed)
    return 1 if failed else 0


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


if __name__ == "__main__":
    sys.exit(main())
