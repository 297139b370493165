"""How many statements a partition takes: each is a round trip, and a server can be far away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import KeptClient
from tests.conftest import FolderBucket
from tests.support.clickhouse.proxy import Proxy
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, query, totals
from tests.support.world import World

MONTHS = ("2026-07", "2026-08", "2026-09")
#: Three words of each statement that publishes a partition of a run.
STATEMENTS = [
    "select name, comment,",
    "create table _raw",
    "alter table _raw",
    "create table _norm",
    "create materialized view",
    "insert into _raw",
    "select (select count()",
    "create table _day",
    "insert into _day",
    "select count(), sum(x_lines)",
    "alter table aws_costs__cur",
    "alter table costs_daily",
    "alter table normalized_aws",
    "insert into deliveries",
    "drop table if",
]
#: What is asked once in a run beside the HTTP client's first three questions.
ONCE = [
    "describe table aws_costs__cur",
    "describe table normalize_aws",
    "describe table normalize_aws_focus",
    "describe table normalized_aws",
    "select count() from",  # whether there is a log of statements
]


@pytest.fixture
def changed(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> Iterator[tuple[World, Proxy]]:
    """Three published months that have changed since."""
    with Proxy(clickhouse) as proxy:
        commands.set(environ(proxy.config, aws_bucket.root))
        world = World(aws_bucket, clickhouse, commands)
        for month in MONTHS:
            world.deliver(month, [1.0, 2.0])
        world.well("--no-marts")
        for month in MONTHS:
            world.deliver(month, [4.0])
        proxy.watch()
        yield world, proxy


def by_partition(steps: list[str]) -> list[list[str]]:
    """Three words of the statements of each partition, private tables by their kind."""
    found: list[list[str]] = []
    for step in steps:
        if "metadata_modification_time" in step:
            found.append([])
        if found:
            text = re.sub(r"_stage_\w+?__[0-9a-f]{12}|`\w+`\.", "", step)
            found[-1].append(" ".join(text.split()[:3]))
    return [one[: one.index("drop table if") + 1] for one in found]


def test_a_partition_takes_fifteen_statements_and_the_first_of_a_run_some_more(
    changed: tuple[World, Proxy],
) -> None:
    world, proxy = changed
    assert world.well("--no-marts") == "aws: 3 loaded, 0 unchanged, 0 failed\n"
    first, *others = by_partition(proxy.steps)
    assert others == [STATEMENTS, STATEMENTS]
    of_the_client = [text for text in first if text.startswith(("HTTP", "SELECT "))]
    assert len(of_the_client) == 3
    assert sorted({*first} - {*of_the_client}) == sorted([*STATEMENTS, *ONCE])


def test_a_column_that_another_one_added_meanwhile_is_seen(changed: tuple[World, Proxy]) -> None:
    world, proxy = changed

    def add() -> None:
        query(world.database, "alter table aws_costs__cur add column theirs Nullable(String)")

    proxy.watch("insert into deliveries", add, "before")
    assert world.well("--no-marts") == "aws: 3 loaded, 0 unchanged, 0 failed\n"
    _, second, _ = by_partition(proxy.steps)
    assert "describe table aws_costs__cur" in second


def test_rows_are_counted_again_on_a_connection_that_has_not_seen_them(
    changed: tuple[World, Proxy],
) -> None:
    world, proxy = changed
    proxy.watch(r"select count\(\), sum", lambda: None, "instead")
    assert world.well("--no-marts") == "aws: 3 loaded, 0 unchanged, 0 failed\n"
    first, second, _ = by_partition(proxy.steps)
    raw, days, lines = [n for n, text in enumerate(first) if text.startswith("alter table ")][1:]
    assert [first[at - 1] for at in (raw, days, lines)] == [
        "select count() from",
        "alter table aws_costs__cur",
        "select count() from",
    ]
    assert second == STATEMENTS
    assert totals(world.database) == dict.fromkeys(MONTHS, 4.0)


def test_an_http_client_is_kept_until_it_fails_or_rests(
    clickhouse: ClickHouseConfig,
) -> None:
    kept = KeptClient(clickhouse)
    with kept.use() as first:
        pass
    with kept.use() as again:
        assert again is first
    with pytest.raises(ZeroDivisionError), kept.use():
        raise ZeroDivisionError
    with kept.use() as other:
        assert other is not first
        assert other.query("select 1").result_rows == [(1,)]
    kept.close()
    tired = KeptClient(clickhouse, rest_seconds=-1)
    with tired.use() as first:
        pass
    with tired.use() as other:
        assert other is not first
    tired.close()
