"""`make demo`: four months of AWS cost through the real pipeline, one of them restated.

Everything is computed: the sandbox writes a bucket as AWS delivers it, the commands load and
normalise it, and the tables are queries over the published files.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pipelines.clickhouse.config import ClickHouseConfig  # noqa: E402
from pipelines.clickhouse.local_server import running_server  # noqa: E402
from pipelines.clickhouse.manager import ClickHouseManager  # noqa: E402
from pipelines.report import table  # noqa: E402
from scripts import sandbox_aws  # noqa: E402
from scripts.delivery_targets import FolderTarget  # noqa: E402

DEMO = ROOT / ".demo"
BUCKET, DATA = DEMO / "bucket", DEMO / "data"
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
group by all order by 4 desc limit 8
"""
RESTATED = """
select partition, strftime(published_at, '%H:%M:%S'), rows, billed, effective,
    billed - lag(billed) over (partition by partition order by published_at)
from deliveries
where partition in (select partition from deliveries group by all having count(*) > 1)
order by partition, published_at
"""


def main() -> int:
    """The demo's exit status: 0 when every command and every check succeeded."""
    shutil.rmtree(DEMO, ignore_errors=True)
    os.environ |= {
        "SOURCES__AWS__BUCKET_URL": BUCKET.as_uri(),
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(DATA),
        "DLT_DATA_DIR": str(DEMO / "dlt"),
        "DLT_DESTINATION": "filesystem",
    }
    heading("AWS delivers four months (CUR 2.0, three accounts); load and normalise them")
    sandbox_aws.build(DeliveredNow(BUCKET))
    failed = commands(["load"], ["normalize"])
    by_month()
    heading(f"AWS restates {sandbox_aws.RESTATED_PERIOD}; the same commands again")
    sandbox_aws.build(DeliveredNow(BUCKET), restated=True)
    failed += commands(["load"], ["normalize"])
    tables()
    heading("A third run, with nothing changed; then the checks")
    failed += commands(["load"], ["normalize"], ["check"])
    where_the_files_lie()
    heading("The same bucket into ClickHouse, a real server from the environment's own wheel")
    failed += clickhouse()
    return 1 if failed else 0


def clickhouse() -> int:
    """Load into a server started for the demo, and compare; how much failed."""
    server = [sys.executable, str(ROOT / "scripts/local_clickhouse.py")]
    folder = DEMO / "clickhouse"
    started = [*server, "up", "--dir", str(folder), "--port", "0", "--http-port", "0"]
    subprocess.run(started, check=True, stdout=subprocess.DEVNULL)
    try:
        running = running_server(folder)
        if running is None or running.password is None:
            raise RuntimeError(f"the server in {folder} is not running")
        os.environ |= {
            "CLICKHOUSE_MODE": "local",
            "CLICKHOUSE_PORT": str(running.port),
            "CLICKHOUSE_HTTP_PORT": str(running.http_port),
            "CLICKHOUSE_USER": running.user,
            "CLICKHOUSE_PASSWORD": running.password,
            "DLT_DESTINATION": "clickhouse",
        }
        failed = commands(["load"], ["load"], ["check"])
        return failed + side_by_side()
    finally:
        subprocess.run(
            [*server, "down", "--dir", str(folder)], check=True, stdout=subprocess.DEVNULL
        )


def side_by_side() -> int:
    """Both destinations by month; how many months differ by more than a millionth."""
    by_parquet = {row[0]: row[1:] for row in rows_of(BY_MONTH)}
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


def by_month() -> None:
    """Cost by month as published now."""
    columns = ("month", "billed USD", "effective", "list", "credits", "cost lines")
    out.print(query(BY_MONTH, "Cost by month", columns, columns[1:]))


def tables() -> None:
    """What a reader asks first."""
    by_month()
    money = ["billed USD", "effective", "list"]
    title = "Cost by month and service"
    out.print(query(BY_SERVICE, title, ["month", "service", *money], money))
    title = "Cost by tag, newest month"
    out.print(query(BY_TAG, title, ["environment", "team", *money[:2]], money))
    numbers = ["cost lines", *money[:2], "difference"]
    title = "What the restatement changed"
    out.print(query(RESTATED, title, ["month", "published (UTC)", *numbers], numbers))


def query(sql: str, title: str, columns: Sequence[str], right: Sequence[str]) -> Table:
    """A query over the published files, as a table."""
    return table(title, columns, rows_of(sql), right)


def rows_of(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the published files."""
    with duckdb.connect(":memory:") as duck:
        duck.execute("set timezone = 'UTC'")
        for name, pattern in {"costs": "marts/costs/*", "deliveries": "deliveries/*"}.items():
            duck.execute(f"create view {name} as from read_parquet('{DATA}/{pattern}.parquet')")
        return duck.execute(sql).fetchall()


def where_the_files_lie() -> None:
    """The published folders and what they hold."""
    heading("Where the files lie")
    rows = []
    for pattern in ("aws_costs/cur", "normalized_aws", "marts/costs", "deliveries"):
        files = list((DATA / pattern).rglob("*.parquet"))
        size = sum(file.stat().st_size for file in files)
        rows.append((str((DATA / pattern).relative_to(ROOT)), len(files), f"{size / 1e6:.1f} MB"))
    out.print(table("", ("folder", "parquet files", "size"), rows, ("parquet files", "size")))


if __name__ == "__main__":
    sys.exit(main())
