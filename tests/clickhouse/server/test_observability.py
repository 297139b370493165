"""A load found in the server's query log, in our own log, and in `status` for machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.settings import CLIENT_NAME
from tests.conftest import FolderBucket
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import environ, query
from tests.support.world import World

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
#: What clickhouse-connect asks of a server before it can be told what to send along.
OF_THE_CLIENT = {
    "SELECT version(), timezone()",
    "SELECT name, value, readonly FROM system.settings LIMIT 10000",
    "SELECT 1 AS check",
}


@pytest.fixture(scope="module")
def logging_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseConfig]:
    """A server that logs its statements, as servers do by default."""
    text = "<query_log><database>system</database><table>query_log</table></query_log>"
    with Server(tmp_path_factory.mktemp("logging") / "server") as server:
        server.stop()
        (server.folder / "config.d").mkdir()
        log = server.folder / "config.d" / "log.xml"
        log.write_text(f"<clickhouse>{text}</clickhouse>", encoding="utf-8")
        server.start()
        yield server.config(database="observed")


@pytest.fixture
def world(
    logging_server: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> Iterator[World]:
    commands.set(environ(logging_server, aws_bucket.root))
    yield World(aws_bucket, logging_server, commands)
    query(logging_server.with_database("default"), "drop database if exists observed sync")


def objects(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def test_every_statement_of_a_load_says_what_it_is_for(world: World) -> None:
    world.deliver("2026-09", [1.0, 2.0])
    world.well()
    world.change("system flush logs")
    rows = world.query(
        "select log_comment, client_name, http_user_agent, query from system.query_log "
        "where type != 'QueryStart' and is_initial_query and user = 'loader'"
    )
    silent = {sql.split("\n")[0] for comment, _, _, sql in rows if not comment}
    assert {sql.removesuffix(" FORMAT Native") for sql in silent} <= OF_THE_CLIENT
    names = {name or agent.split(" ")[0] for _, name, agent, _ in rows}
    assert names == {f"ClickHouse {CLIENT_NAME}", CLIENT_NAME}
    comments = [json.loads(comment) for comment, *_ in rows if comment]
    assert {comment["client"] for comment in comments} == {CLIENT_NAME}
    published = [json.loads(c) for c, _, _, sql in rows if " replace partition " in sql and c]
    (load_id,) = {comment.pop("load_id") for comment in published}
    of = {"command": "load", "source": "aws", "partition": "2026-09", "client": CLIENT_NAME}
    assert published == [of | {"step": "publish"}] * 3
    assert world.query("select distinct x_dlt_load_id from costs") == [(load_id,)]


@pytest.mark.thorough
def test_what_a_load_took_is_shown_by_step(world: World) -> None:
    world.deliver("2026-09", [1.0, 2.0])
    world.well()
    world.change("system flush logs")
    ran = world.commands("status", "--cost", "--json")
    assert ran.status == 0, ran
    rows = objects(ran.out)
    assert {(r["source"], r["partition"]) for r in rows} == {("aws", "2026-09")}
    newest = max(row["load_id"] for row in rows)
    steps = {row["step"]: row for row in rows if row["load_id"] == newest}
    assert {"stage", "sum up", "publish", "history"} <= steps.keys()
    assert steps["stage"]["written_rows"] >= 4  # two rows, raw and normalised
    assert all(row["statements"] > 0 and row["seconds"] >= 0 for row in rows)
    assert "2026-09" in world.commands("status", "--cost").out


@pytest.mark.thorough
def test_the_history_says_what_the_server_spent_on_a_load(world: World) -> None:
    world.deliver("2026-09", [1.0, 2.0])
    world.well()
    (row,) = world.query(
        "select cpu_seconds, read_bytes, written_bytes, load_id from deliveries "
        "where published_at > now() - interval 1 minute order by published_at desc limit 1"
    )
    assert all(row), row
    (logged,) = world.query(
        "select sum(written_bytes) from system.query_log where type != 'QueryStart' and "
        f"is_initial_query and JSONExtractString(log_comment, 'load_id') = '{row[3]}'"
    )
    assert 0 < row[2] <= logged[0]


def test_a_server_without_a_query_log_is_named(clickhouse: ClickHouseConfig, world: World) -> None:
    world.commands.set(environ(clickhouse, world.bucket.root))
    ran = world.commands("status", "--cost")
    assert ran.status == 1
    assert "keeps no system.query_log" in ran.err
    assert "Add <query_log> to the server's configuration" in ran.err
    ran = world.commands("status", "--cost", "--destination=filesystem")
    assert (ran.status, ran.err) == (
        2,
        "error: status --cost reads ClickHouse's query log. Add --destination clickhouse\n",
    )


@pytest.mark.thorough
def test_our_log_is_json_with_fields_when_asked_for(world: World) -> None:
    world.commands.set({"LOG_FORMAT": "json"})
    world.deliver("2026-09", [1.0, 2.0])
    lines = objects(world.load().err)
    assert all(TIME.fullmatch(line["time"]) for line in lines)
    (line,) = [line for line in lines if line["message"].startswith("aws 2026-09: 2 rows")]
    del line["time"], line["message"]
    assert line == {
        "level": "info",
        "logger": "pipelines",
        "command": "load",
        "source": "aws",
        "partition": "2026-09",
    }


def test_our_log_has_time_and_level_when_asked_for(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    commands.set({"LOG_FORMAT": "text"})
    deliver(aws_bucket.root, "2026-09", [1.0])
    (line,) = commands("load").err.splitlines()
    time, level, message = line.split(" ", 2)
    assert TIME.fullmatch(time)
    assert (level, message[:12]) == ("INFO", "aws 2026-09:")
    commands.set({"LOG_FORMAT": "xml"})
    ran = commands("status")
    assert (ran.status, ran.err) == (
        2,
        "error: LOG_FORMAT is 'xml'. Set it to text (with time and level) or json, or leave it out "
        "for bare lines\n",
    )


def test_status_for_machines_has_an_object_per_partition(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-09", [1.0])
    deliver(aws_bucket.root, "2026-10", [2.0, 3.0])
    commands.well("load", "normalize")
    one, other = objects(commands("status", "--json").out)
    assert [one["source"], one["partition"], one["rows"], one["billed"]] == ["aws", "2026-09", 1, 1]
    assert [other["partition"], other["rows"], other["billed"]] == ["2026-10", 2, 5]
    assert one["state"].startswith("current")
    assert one["delivered_at"].endswith("+00:00")


@pytest.mark.thorough
def test_files_of_each_partition_of_a_run_are_sent_under_its_own_name(world: World) -> None:
    for month in ("2026-08", "2026-09"):
        world.deliver(month, [1.0, 2.0])
    world.well()
    world.change("system flush logs")
    rows = world.query(
        "select log_comment from system.query_log where type = 'QueryFinish' "
        "and http_user_agent != '' and query_kind = 'Insert' order by event_time_microseconds"
    )
    sent = [json.loads(comment) for (comment,) in rows]
    assert [(each["partition"], each["step"]) for each in sent[-2:]] == [
        ("2026-08", "stage"),
        ("2026-09", "stage"),
    ]
