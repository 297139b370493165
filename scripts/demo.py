"""`make demo`: four months of AWS cost through the real pipeline, one of them restated.

Everything is computed: the sandbox writes a bucket as AWS delivers it, the commands load and
normalise it, and the tables are queries over the published files. Nothing outside its folder is
read for it or changed: no bucket, server or secret that is configured on this machine.

    python scripts/demo.py [--dir .demo]
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pipelines.clickhouse.config import ClickHouseConfig  # noqa: E402
from pipelines.clickhouse.local_server import running_server  # noqa: E402
from pipelines.clickhouse.manager import ClickHouseManager  # noqa: E402
from pipelines.load import size  # noqa: E402
from pipelines.report import table  # noqa: E402
from scripts import sandbox_aws  # noqa: E402
from scripts.delivery_targets import FolderTarget  # noqa: E402

#: What the demo makes in its folder, and removes when it runs again.
PARTS = ("bucket", "data", "dlt", "clickhouse", "project")
CONFIGURED = ("SOURCES__", "DESTINATION__", "CLICKHOUSE_", "NORMALIZE__", "DLT_", "LOAD__")
out = Console(width=None if sys.stdout.isatty() else 110, highlight=False)

BY_SERVICE = """
with cost as (
    select x_partition as month, service_name, sum(billed_cost) as billed,
        sum(effective_cost) as effective, sum(list_cost) as list
    from costs group by all
),
ranked as (
    select *, row_number() over (partition by month order by billed desc) as place from cost
)
select month, if(place <= 5, service_name, 'all others') as service,
    sum(billed), sum(effective), sum(list)
from ranked group by all order by month, min(place)
"""
BY_MONTH = """
select x_partition, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(x_credit_amount),
    count(*)
from costs group by x_partition order by x_partition
"""
BY_TAG = """
select coalesce(tag_environment, '(untagged)'), coalesce(tag_team, '(untagged)'),
    sum(billed_cost), sum(effective_cost)
from costs where x_partition = (select max(x_partition) from costs)
group by all order by 4 desc
"""
RESTATED = """
select partition, strftime(published_at, '%H:%M:%S'), rows, billed, effective,
    billed - lag(billed) over (partition by partition order by published_at)
from deliveries
where partition in (select partition from deliveries group by all having count(*) > 1)
order by partition, published_at
"""


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
        for part in PARTS:
            shutil.rmtree(self.folder / part, ignore_errors=True)

    def configure(self) -> None:
        """The demo's own configuration, and no other."""
        (self.folder / "project" / ".dlt").mkdir(parents=True)
        for name in [name for name in os.environ if name.startswith(CONFIGURED)]:
            del os.environ[name]
        os.environ |= {
            "DLT_PROJECT_DIR": str(self.folder / "project"),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SOURCES__AWS__BUCKET_URL": self.bucket.as_uri(),
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data),
            "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """The demo's exit status: 0 when every command and every check succeeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=ROOT / ".demo", help="default: .demo")
    demo = Demo(parser.parse_args(arguments).dir.resolve())
    try:
        demo.begin()
    except FileExistsError as error:
        parser.error(str(error))
    demo.configure()
    return 1 if filesystem(demo) + clickhouse(demo) else 0


def filesystem(demo: Demo) -> int:
    """Load, restate and load again, to parquet; how many commands failed."""
    heading("AWS delivers four months (CUR 2.0, three accounts); load and normalise them")
    sandbox_aws.build(DeliveredNow(demo.bucket))
    failed = commands(["load"], ["normalize"])
    by_month(demo)
    heading(f"AWS restates {sandbox_aws.RESTATED_PERIOD}; the same commands again")
    sandbox_aws.build(DeliveredNow(demo.bucket), restated=True)
    failed += commands(["load"], ["normalize"])
    tables(demo)
    heading("A third run, with nothing changed; then the checks")
    failed += commands(["load"], ["normalize"], ["check"])
    where_the_files_lie(demo)
    return failed


def clickhouse(demo: Demo) -> int:
    """Load into a server started for the demo, and compare; how much failed."""
    heading("The same bucket into ClickHouse, a real server from the environment's own wheel")
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
        failed = commands(["load"], ["load"], ["check"])
        return failed + side_by_side(demo)
    finally:
        local_clickhouse("down", demo.server)


def local_clickhouse(command: str, folder: Path, *options: str) -> None:
    """scripts/local_clickhouse.py, which says itself what went wrong."""
    script = str(ROOT / "scripts" / "local_clickhouse.py")
    line = [sys.executable, script, command, "--dir", str(folder), *options]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def side_by_side(demo: Demo) -> int:
    """Both destinations by month; how many months differ by more than a millionth."""
    by_parquet = {row[0]: row[1:] for row in rows_of(demo, BY_MONTH)}
    with ClickHouseManager(ClickHouseConfig.from_env(os.environ)) as manager:
        by_server = {row[0]: row[1:] for row in manager.execute(BY_MONTH)}
    rows, differing = [], 0
    for month in sorted(by_parquet.keys() | by_server.keys()):
        one, other = by_parquet.get(month, (0.0,) * 5), by_server.get(month, (0.0,) * 5)
        agrees = all(abs(a - b) < 1e-6 for a, b in zip(one, other, strict=True))
        differing += not agrees
        rows.append((month, one[0], other[0], one[1], other[1], one[4], other[4], agrees))
    names = ("billed: parquet", "ClickHouse", "effective: parquet", "ClickHouse", "lines: parquet",
             "ClickHouse")  # fmt: skip
    out.print(table("Both destinations", ("month", *names, "agree"), rows, names))
    return differing


class DeliveredNow(FolderTarget):
    """The sandbox's deliveries are dated; the demo's arrive as it runs, so that they are fresh."""

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write the object, modified now."""
        super().put(key, body)


def commands(*wanted: list[str]) -> int:
    """Run commands of `python -m pipelines`; how many failed."""
    failed = 0
    for arguments in wanted:
        out.print(f"[bold]$ python -m pipelines {' '.join(arguments)}[/]")
        sys.argv[1:] = arguments
        try:
            runpy.run_module("pipelines", run_name="__main__")
        except SystemExit as end:
            failed += end.code != 0
    return failed


def heading(text: str) -> None:
    """One step of the story."""
    out.print(f"\n[bold cyan]{text}[/]")


def by_month(demo: Demo) -> None:
    """Cost by month as published now."""
    columns = ("month", "billed USD", "effective", "list", "credits", "cost lines")
    show(demo, BY_MONTH, "Cost by month", columns, columns[1:])


def tables(demo: Demo) -> None:
    """What a reader asks first."""
    by_month(demo)
    money = ["billed USD", "effective", "list"]
    show(demo, BY_SERVICE, "Cost by month and service", ["month", "service", *money], money)
    title = "Cost by tag, newest month"
    show(demo, BY_TAG, title, ["environment", "team", *money[:2]], money)
    numbers = ["cost lines", *money[:2], "difference"]
    title = "What the restatement changed"
    show(demo, RESTATED, title, ["month", "published (UTC)", *numbers], numbers)


def show(demo: Demo, sql: str, title: str, columns: Sequence[str], right: Sequence[str]) -> None:
    """Print a query over the published files as a table."""
    out.print(table(title, columns, rows_of(demo, sql), right))


def rows_of(demo: Demo, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the published files."""
    with duckdb.connect(":memory:") as duck:
        duck.execute("set timezone = 'UTC'")
        for name, folder in {"costs": "marts/costs", "deliveries": "deliveries"}.items():
            pattern = f"{escape(str(demo.data / folder))}/*.parquet".replace("'", "''")
            duck.execute(f"create view {name} as from read_parquet('{pattern}')")
        return duck.execute(sql).fetchall()


def where_the_files_lie(demo: Demo) -> None:
    """The published folders and what they hold."""
    heading("Where the files lie")
    rows = []
    for name in ("aws_costs/cur", "normalized_aws", "marts/costs", "deliveries"):
        folder = demo.data / name
        files = list(folder.rglob("*.parquet"))
        shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        rows.append((str(shown), len(files), size(sum(file.stat().st_size for file in files))))
    out.print(table("", ("folder", "parquet files", "size"), rows, ("parquet files", "size")))


if __name__ == "__main__":
    sys.exit(main())
