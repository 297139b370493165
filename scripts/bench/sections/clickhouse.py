"""What is measured on ClickHouse: load with publishing, against bare inserts and dlt's own merge.

`python -m scripts.bench clickhouse`. The server is started for it, from the wheel, on this machine:
it shares the cores with its clients, for every way alike.
"""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.data.bucket import PERIOD, export
from scripts.bench.figures import Figure, Section
from scripts.bench.process import Ran, Workplace, run
from scripts.bench.runs import NO_MARTS, NOTHING, Bench, beyond
from scripts.bench.sections.local import seconds, walls
from scripts.bench.servers.clickhouse import Server

RAW, NORMALIZED = "aws_costs__cur", "normalized_aws"
INSERT = ("-m", "scripts.bench.yardsticks.insert")


@dataclass
class Measured:
    """Every way into ClickHouse, in turns."""

    plain: list[Ran] = field(default_factory=list)
    idle: list[Ran] = field(default_factory=list)
    loads: list[Ran] = field(default_factory=list)
    restates: list[Ran] = field(default_factory=list)
    marts: list[Ran] = field(default_factory=list)
    merges: list[Ran] = field(default_factory=list)
    publishing: list[float] = field(default_factory=list)
    view: list[float] = field(default_factory=list)

    @property
    def plain_seconds(self) -> tuple[float, ...]:
        """The bare inserts alone."""
        return tuple(ran.said["seconds"] for ran in self.plain)

    @property
    def merge_seconds(self) -> tuple[float, ...]:
        """dlt's restatements alone."""
        return tuple(ran.said["restated"] for ran in self.merges)


def clickhouse(bench: Bench) -> Section:
    """The section of the server."""
    of = _measure(bench)
    bare, merged = (statistics.median(runs) for runs in (of.plain_seconds, of.merge_seconds))
    load, restate = beyond(of.loads, of.idle), beyond(of.restates, of.idle)
    view, pandas = bench.rows / statistics.median(of.view), bench.rows / bench.plain.normalize
    return Section(
        "clickhouse",
        "Bare: clickhouse-connect insert_file of the same files, one after the other, into a table "
        "without key. Ours: load into an empty database and then --force, wall time less that of "
        "an empty selection, both without marts, which are computed after them. dlt's merge: "
        "pipeline.run() alone, files untouched, merge key is the billing period. Publish: both "
        "REPLACE PARTITION over all rows. View: its select into a private table.",
        [
            seconds("bare_insert_s", "bare insert_file", of.plain_seconds),
            walls("clickhouse_load_wall_s", "load, the whole command", of.loads),
            walls("clickhouse_start_up_s", "load of nothing: start-up", of.idle),
            Figure("clickhouse_load_s", "load beyond start-up", load, "s"),
            walls("clickhouse_restate_wall_s", "load --force, the whole command", of.restates),
            Figure("clickhouse_restate_s", "load --force beyond start-up", restate, "s"),
            walls("clickhouse_marts_wall_s", "marts of a load, the whole command", of.marts),
            seconds("stock_merge_s", "dlt's merge, a period restated", of.merge_seconds),
            Figure("clickhouse_ratio", "load : bare insert", load / bare, "×", limit=1.8),
            Figure("merge_ratio", "dlt's merge : load --force", merged / restate, "×", least=1.5),
            seconds("publish_s", "publish raw and normalised", tuple(of.publishing), limit=0.5),
            seconds("view_s", "the view's select, all rows", tuple(of.view)),
            Figure("view_rate", "the view normalises", view, "rows/s"),
            Figure("pandas_rate", "pandas normalises", pandas, "rows/s"),
            Figure("view_to_pandas", "view : pandas", view / pandas, "×"),
        ],
    )


def _measure(bench: Bench) -> Measured:
    files = bench.files
    bucket = export(bench.home / "buckets" / "clickhouse", {PERIOD: files})
    folder = bench.home / "work" / "clickhouse-server"
    shutil.rmtree(folder, ignore_errors=True)
    found = Measured()
    with Server(folder) as server:
        destination = {"DLT_DESTINATION": "clickhouse"}
        place = Workplace(bench.home / "work" / "clickhouse", bucket, destination)
        for number in range(1, bench.rounds + 1):
            bench.say(f"clickhouse: round {number} of {bench.rounds}")
            server.database = f"round_{number}"
            place.environ |= server.environ
            _round(found, server, place, files)
    shutil.rmtree(place.folder)
    return found


def _round(found: Measured, server: Server, place: Workplace, files: list[Path]) -> None:
    """Each way once, into a database that is new."""
    place.empty()
    place.pipelines("migrate")
    found.plain.append(run([*INSERT, "plain", *files], place.environ))
    server.settle()  # merges in the background belong to whoever caused them
    found.idle.append(place.pipelines("load", "aws", *NOTHING))
    found.loads.append(place.pipelines("load", "aws", *NO_MARTS))
    server.settle()
    found.marts.append(place.pipelines("load", "aws"))
    found.restates.append(place.pipelines("load", "aws", "--force", *NO_MARTS))
    server.settle()
    found.publishing.append(_publish(server))
    found.view.append(_view(server))
    server.settle()
    stock = place.environ | {"DLT_PROJECT_DIR": str(place.folder / "stock")}  # as dlt comes
    found.merges.append(run([*INSERT, "merge", *files], stock))


def _publish(server: Server) -> float:
    """Replace the published partition of both tables with a copy of itself."""
    spent = 0.0
    for table in (RAW, NORMALIZED):
        copy = f"bench_{table}"
        server.ask(f"create table {copy} as {table}")
        server.ask(f"alter table {copy} attach partition '{PERIOD}' from {table}")
        spent += server.timed(f"alter table {table} replace partition '{PERIOD}' from {copy}")
    return spent


def _view(server: Server) -> float:
    """The view's own select of the raw table, into a private table."""
    views = json.loads(
        server.ask(
            "select groupArray(as_select) from system.tables where database = currentDatabase() "
            "and engine = 'MaterializedView' and name like 'normalize\\_aws%' format JSONCompact"
        )
    )["data"][0][0]
    spent = 0.0
    for number, select in enumerate(views):
        table = f"bench_view_{number}"
        server.ask(f"create table {table} as {NORMALIZED}")
        described = json.loads(server.ask(f"describe ({select}) format JSONCompact"))["data"]
        columns = ", ".join(f"`{row[0]}`" for row in described)
        spent += server.timed(f"insert into {table} ({columns}) {select}")
    return spent
