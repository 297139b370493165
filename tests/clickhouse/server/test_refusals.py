"""What a server refuses: each reason with its own text and fix, and what is tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from clickhouse_driver.errors import ServerException

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import explain
from pipelines.clickhouse.server.refusals import OF_TEXT, PASSING, REFUSALS, passes
from pipelines.clickhouse.server.rules import CODES
from pipelines.doctor.limits import limits
from tests.conftest import FolderBucket
from tests.support.clickhouse.profiles import add_profiles
from tests.support.clickhouse.proxy import Proxy
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, leftovers, totals
from tests.support.world import World

PASSWORD = "L1mited/word"
NUMBERS = "select sum(cityHash64(number)) as n from numbers(100000000000)"
#: By the profile's settings: a statement, the code of its refusal, the text and the fix.
LIMITED = {
    "readonly": (
        {"readonly": "1"},
        "create table t (n UInt8) engine = Memory",
        164,
        "user readonly may only read, or not change settings: ",
        "readonly = 0; for check, status and report readonly = 2 is enough",
    ),
    "ddl": (
        {"allow_ddl": "0"},
        "create table t (n UInt8) engine = Memory",
        392,
        "user ddl may not create or alter tables: ",
        "alter user ddl settings allow_ddl = 1",
    ),
    "time": (
        {"max_execution_time": "1"},
        NUMBERS,
        159,
        "the statement took longer than the user's profile allows: ",
        "alter user time settings max_execution_time = 0",
    ),
    "memory": (
        {"max_memory_usage": "1000000"},
        "select groupArray(number) from numbers(10000000)",
        241,
        "the server has no memory left for this statement: ",
        "alter user memory settings max_memory_usage = 0",
    ),
    "rows": (
        {"max_rows_to_read": "1"},
        "select * from numbers(10)",
        158,
        "'max_rows_to_read'",
        "alter user rows settings max_rows_to_read = 0, max_bytes_to_read = 0",
    ),
    "groups": (  # the server's text names no setting
        {"max_rows_to_group_by": "1"},
        "select number from numbers(5) group by number",
        158,
        "GROUP BY exceeded",
        "alter user groups settings max_rows_to_read = 0, max_bytes_to_read = 0, "
        "max_rows_to_group_by = 0",
    ),
    "result": (
        {"max_result_rows": "1"},
        "select number from numbers(10) settings max_block_size = 1",
        396,
        "the answer has more rows or bytes than the user's profile allows: ",
        "alter user result settings max_result_rows = 0",
    ),
}


@pytest.fixture(scope="module")
def limited(module_server: Server) -> Server:
    """A server with a user of each profile."""
    add_profiles(module_server, PASSWORD, {name: row[0] for name, row in LIMITED.items()})
    return module_server


@pytest.mark.parametrize("name", LIMITED)
def test_what_a_profile_refuses_is_named_with_its_fix(limited: Server, name: str) -> None:
    _, sql, code, what, fix = LIMITED[name]
    config = replace(limited.config(), user=name, password=PASSWORD, retry_seconds=1)
    text = refusal(config, code, sql)
    assert what in text
    assert fix in text
    assert PASSWORD not in text


@pytest.mark.parametrize("name", sorted(LIMITED.keys() - {"result"}))  # which says so itself
def test_a_profiles_limit_is_seen_before_a_load(limited: Server, name: str) -> None:
    config = replace(limited.config(), user=name, password=PASSWORD)
    ((setting, value),) = LIMITED[name][0].items()
    if name == "readonly":  # not even the settings of a statement may be sent
        assert "readonly = 0" in refusal(config, 164, "select 1")
        return
    with ClickHouseManager(config) as manager:
        (found,) = limits(manager)
    assert found.text == f"{setting} is {value}"
    assert found.forbids == (name == "ddl")


def refusal(config: ClickHouseConfig, code: int, sql: str, **settings: Any) -> str:
    """The text of a statement's refusal, which has to have this code."""
    with ClickHouseManager(config) as manager, pytest.raises(ClickHouseQueryError) as caught:
        manager.execute(sql, settings=settings)
    assert caught.value.code == code, caught.value
    return str(caught.value)


def test_what_a_table_refuses_is_named_with_its_fix(empty_clickhouse: ClickHouseConfig) -> None:
    config = replace(empty_clickhouse, retry_seconds=1)
    with ClickHouseManager(config) as manager:
        for sql in (
            "create table parts (n UInt8) engine = MergeTree order by n "
            "settings parts_to_delay_insert = 1, parts_to_throw_insert = 1",
            "system stop merges parts",
            "insert into parts select 1",
            "create table checked (n UInt8, constraint small check n < 3) engine = Memory",
        ):
            manager.execute(sql)
    many = refusal(config, 252, "insert into parts select 2")
    assert "the table has more parts than the server merges in time" in many
    assert "wait until merges catch up (system.merges)" in many
    checked = refusal(config, 469, "insert into checked select 9")
    assert "a constraint of the table refuses a row" in checked
    assert "alter table … drop constraint" in checked
    large = refusal(config, 359, "drop table parts", max_table_size_to_drop=1)
    assert "larger than the server lets anybody drop" in large
    assert "max_table_size_to_drop and max_partition_size_to_drop to 0" in large
    for code, name in ((62, "max_query_size"), (168, "max_ast_elements")):
        text = refusal(config, code, f"select {', '.join(['1'] * 100)}", **{name: 20})
        assert "the statement is larger than the server allows" in text
        assert "max_query_size = 1073741824, max_ast_elements = 10000000" in text
    with ClickHouseManager(config) as manager:
        manager.execute("drop table parts sync")


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_refusal_has_a_text_and_a_fix_of_its_own(code: int) -> None:
    config = ClickHouseConfig("h", user="loader", password="hunter2")
    text = explain(ServerException("DB::Exception: it says hunter2.", code), config)
    what, _, fix = text.partition(". Fix: ")
    assert what.startswith("ClickHouse at h:9000 (native protocol, no TLS): ")
    assert what.endswith(": it says ***")
    assert fix
    assert "correct the statement" not in fix
    assert "{" not in text


def test_what_passes_by_itself_is_known_by_its_code() -> None:
    assert {202, 236, 241, 242, 243, 252, 319, 394} <= PASSING
    assert REFUSALS.keys() | CODES.keys() | {425} >= PASSING
    assert not passes(252, "Too many partitions (max_partitions_per_insert_block)")
    assert [rule.pattern for rule in OF_TEXT][1] == "max_partitions_per_insert_block"


def test_a_read_that_is_refused_for_now_is_tried_again(module_server: Server) -> None:
    """Somebody cancels a statement: the server says 394, and takes the same a little later."""
    config = replace(module_server.config(), retry_seconds=30)
    pauses: list[float] = []

    def lift(pause: float) -> None:
        pauses.append(pause)
        with ClickHouseManager(config) as other:
            other.execute("create or replace view slow as select 1 as n")

    with ClickHouseManager(config, sleep=lift) as manager:
        manager.execute(f"create or replace view slow as {NUMBERS}")
        killer = threading.Thread(target=cancel, args=(config,))
        killer.start()
        assert manager.execute("select n from slow") == [(1,)]
        killer.join()
        manager.execute("drop view slow sync")
    assert pauses == [1.0]


def cancel(config: ClickHouseConfig) -> None:
    """Kill the statement as soon as it runs."""
    with ClickHouseManager(config) as manager:
        while not manager.execute("kill query where query = 'select n from slow' sync"):
            pass


@pytest.fixture
def world(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> Iterator[tuple[World, Proxy]]:
    with Proxy(clickhouse) as proxy:
        commands.set(environ(proxy.config, aws_bucket.root))
        yield World(aws_bucket, clickhouse, commands), proxy


def test_a_partition_that_is_refused_for_now_is_published_in_the_same_run(
    world: tuple[World, Proxy],
) -> None:
    there, proxy = world
    there.deliver("2026-08", [8.0])
    there.well()
    there.change(
        "system stop merges deliveries",
        "alter table deliveries modify setting parts_to_throw_insert = 1",
    )
    there.deliver("2026-09", [9.0])

    def lift() -> None:
        there.change("alter table deliveries reset setting parts_to_throw_insert")

    proxy.watch("drop table if exists _stage_", lift, "before")
    ran = there.load()
    assert (ran.status, ran.out) == (0, "aws: 1 loaded, 1 unchanged, 0 failed\n"), ran
    assert "the table has more parts than the server merges in time" in ran.err
    assert "next try in 1 s" in ran.err
    assert totals(there.database) == {"2026-08": 8.0, "2026-09": 9.0}
    assert leftovers(there.database) == []


def test_an_insert_whose_answer_is_lost_goes_on_when_its_rows_arrived(
    world: tuple[World, Proxy],
) -> None:
    there, proxy = world
    there.commands.set({"CLICKHOUSE_ANSWER_TIMEOUT": "2"})
    there.deliver("2026-09", [1.0, 2.0])
    proxy.watch(r"insert into .*_raw \(", when="unheard")
    ran = there.load()
    assert (ran.status, ran.out) == (0, "aws: 1 loaded, 0 unchanged, 0 failed\n"), ran
    assert "no answer to an insert in 2 s" in ran.err
    assert "all 2 rows arrived" in ran.err
    assert totals(there.database) == {"2026-09": 3.0}


@pytest.mark.thorough
def test_an_insert_that_is_lost_ends_with_a_count_of_what_arrived(
    world: tuple[World, Proxy],
) -> None:
    there, proxy = world
    there.commands.set({"CLICKHOUSE_ANSWER_TIMEOUT": "1", "CLICKHOUSE_RETRY_SECONDS": "1"})
    there.deliver("2026-09", [1.0, 2.0])
    proxy.watch(r"insert into .*_raw \(", when="swallowed")
    ran = there.load()
    assert (ran.status, ran.out) == (1, "aws: 0 loaded, 0 unchanged, 1 failed\n"), ran
    assert "no answer to an insert in 1 s (CLICKHOUSE_ANSWER_TIMEOUT); 0 of 2 rows" in ran.err
    assert totals(there.database) == {}
    assert there.load().status == 0
    assert totals(there.database) == {"2026-09": 3.0}
