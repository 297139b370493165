"""The lease in ClickHouse: one holder at a time, whoever comes, goes or dies."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.lease import leased
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.partitions import Busy
from tests.clickhouse_proxy import Proxy
from tests.published_clickhouse import leftovers, query

ROOT = Path(__file__).resolve().parent.parent

HOLDER = """
import sys
from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.lease import leased
config = ClickHouseConfig(**eval(sys.stdin.readline()))
with leased(config, "aws"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def comment(config: ClickHouseConfig, table: str) -> dict[str, Any]:
    rows = query(config, f"select comment from system.tables where database = '{config.database}'"
                         f" and name = '{table}'")  # fmt: skip
    found: dict[str, Any] = json.loads(rows[0][0])
    return found


def forge(config: ClickHouseConfig, number: int, **changes: Any) -> None:
    """A lock of a run on another machine, which lasts for an hour, or as `changes` say."""
    (now,) = query(config, "select toUnixTimestamp(now())")[0]
    run = {"token": "0", "host": "elsewhere", "machine": "another", "pid": 7, "start": "1"}
    text = json.dumps(run | {"until": now + 3600} | changes)
    query(
        config,
        f"create table _lock_aws__{number} (x UInt8) engine = Memory "
        f"comment {text!r}".replace('\\\\"', '"'),
    )


def test_a_second_run_is_refused_and_told_who_is_at_work(clickhouse: ClickHouseConfig) -> None:
    with leased(clickhouse, "aws"):
        assert leftovers(clickhouse) == ["_lock_aws__1"]
        with pytest.raises(Busy) as refused, leased(clickhouse, "aws"):
            pass
        with leased(clickhouse, "gcp"):
            assert leftovers(clickhouse) == ["_lock_aws__1", "_lock_gcp__1"]
    assert leftovers(clickhouse) == []
    pattern = (
        f"aws is locked by {re.escape(socket.gethostname())} process {os.getpid()} in ClickHouse. "
        r"Wait until it has finished, then run again; should it have died, its lock ends in "
        r"(299|300) s\."
    )
    assert re.fullmatch(pattern, str(refused.value))


def test_a_lease_ends_with_an_error_in_its_block(clickhouse: ClickHouseConfig) -> None:
    with pytest.raises(ValueError, match="ours"), leased(clickhouse, "aws"):
        raise ValueError("ours")
    assert leftovers(clickhouse) == []


def test_a_run_elsewhere_holds_until_its_time_is_over(clickhouse: ClickHouseConfig) -> None:
    forge(clickhouse, 4)
    with pytest.raises(Busy, match="elsewhere process 7 in ClickHouse"), leased(clickhouse, "aws"):
        pass
    query(clickhouse, "drop table _lock_aws__4")
    forge(clickhouse, 4, until=0)
    with leased(clickhouse, "aws"):
        assert leftovers(clickhouse) == ["_lock_aws__5"]
    assert leftovers(clickhouse) == []


@pytest.fixture
def holder(clickhouse: ClickHouseConfig) -> Iterator[subprocess.Popen[str]]:
    """Another process of this machine that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{clickhouse.to_driver_arguments() | {'http_port': 1}!r}\n".replace(
        ", 'tcp_keepalive': True", "").replace("'***'", repr(str(clickhouse.password))))  # fmt: skip
    process.stdin.flush()
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_died_on_this_machine_holds_nothing(
    clickhouse: ClickHouseConfig, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(Busy, match=f"process {holder.pid} in"), leased(clickhouse, "aws"):
        pass
    os.kill(holder.pid, 9)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie still
    with leased(clickhouse, "aws"):
        assert leftovers(clickhouse) == ["_lock_aws__2"]


@pytest.mark.parametrize(
    "change", [{"machine": "another"}, {"machine": ""}], ids=["another-container", "no-proc"]
)
def test_who_cannot_be_seen_from_here_is_taken_to_live(
    clickhouse: ClickHouseConfig, holder: subprocess.Popen[str], change: dict[str, str]
) -> None:
    held = comment(clickhouse, "_lock_aws__1")
    holder.kill()
    holder.wait()
    query(clickhouse, "drop table _lock_aws__1")
    forge(clickhouse, 1, **{name: held[name] for name in ("pid", "start")}, **change)
    with pytest.raises(Busy), leased(clickhouse, "aws"):
        pass


def test_a_reused_process_number_is_another_process(clickhouse: ClickHouseConfig) -> None:
    with leased(clickhouse, "aws"):
        mine = comment(clickhouse, "_lock_aws__1")
    forge(clickhouse, 1, **(mine | {"start": "1"}))
    with leased(clickhouse, "aws"):
        assert leftovers(clickhouse) == ["_lock_aws__2"]


def test_a_lock_without_a_word_of_who_made_it_holds_nothing(clickhouse: ClickHouseConfig) -> None:
    query(clickhouse, "create table _lock_aws__8 (x UInt8) engine = Memory comment 'whoever'")
    with leased(clickhouse, "aws"):
        assert leftovers(clickhouse) == ["_lock_aws__9"]


def seen_by(proxy: Proxy, pattern: str) -> threading.Event:
    """Set once a statement that matches goes through."""
    event = threading.Event()
    proxy.watch(pattern, event.set, "before")
    return event


def test_a_lease_is_renewed_while_its_run_works(clickhouse: ClickHouseConfig) -> None:
    with Proxy(clickhouse) as proxy, leased(proxy.config, "aws", seconds=60, renew_every=0.01):
        first = comment(clickhouse, "_lock_aws__1")["until"]
        assert seen_by(proxy, "alter table _lock_aws__1 modify comment").wait(60)
        assert seen_by(proxy, "alter table _lock_aws__1 modify comment").wait(60)
        assert comment(clickhouse, "_lock_aws__1")["until"] > first


def test_a_lease_outlives_a_connection_that_breaks(clickhouse: ClickHouseConfig) -> None:
    once = replace(clickhouse, max_retries=1)
    with Proxy(once) as proxy, leased(proxy.config, "aws", seconds=60, renew_every=0.01):
        broken = threading.Event()
        proxy.watch("alter table _lock_aws__1", broken.set, "instead")
        assert broken.wait(60)
        first = comment(clickhouse, "_lock_aws__1")["until"]
        assert seen_by(proxy, "alter table _lock_aws__1 modify comment").wait(60)
        assert seen_by(proxy, "alter table _lock_aws__1 modify comment").wait(60)
        assert comment(clickhouse, "_lock_aws__1")["until"] > first
    assert leftovers(clickhouse) == []


def test_who_was_thought_dead_neither_renews_nor_drops_the_lock_of_his_heir(
    clickhouse: ClickHouseConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with Proxy(clickhouse) as proxy, leased(proxy.config, "aws", seconds=-1, renew_every=0.01):
        assert leftovers(clickhouse) == ["_lock_aws__1"]
        with leased(clickhouse, "aws"):
            assert leftovers(clickhouse) == ["_lock_aws__2"]
        forge(clickhouse, 1)  # a third run, which got the number of the first
        heir = comment(clickhouse, "_lock_aws__1")
        assert seen_by(proxy, "select name, comment").wait(60) or True
    assert comment(clickhouse, "_lock_aws__1") == heir


def test_a_server_that_has_gone_does_not_hide_what_went_wrong(
    clickhouse: ClickHouseConfig,
) -> None:
    proxy = Proxy(replace(clickhouse, max_retries=1))
    with pytest.raises(ValueError, match="ours"), leased(proxy.config, "aws"):
        proxy.close()
        raise ValueError("ours")
    assert leftovers(clickhouse) == ["_lock_aws__1"]


def test_of_many_that_race_for_it_never_two_hold_and_always_one_gets_it(
    clickhouse: ClickHouseConfig,
) -> None:
    holding: list[int] = []
    most: list[int] = []
    won: list[int] = []
    refused: list[int] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        for _ in range(6):
            start.wait()
            try:
                with leased(clickhouse, "aws"):
                    holding.append(number)
                    most.append(len(holding))
                    holding.remove(number)
                    won.append(number)
            except Busy:
                refused.append(number)

    run_all([lambda number=number: race(number) for number in range(8)])
    assert set(most) == {1}
    assert len(won) >= 6
    assert len(won) + len(refused) == 48
    assert leftovers(clickhouse) == []


def test_who_was_late_with_a_high_number_gives_way_to_who_holds_a_low_one(
    clickhouse: ClickHouseConfig,
) -> None:
    """One sees a dead lock 5, sleeps, and makes 6 when others have come, gone, and begun at 1."""
    forge(clickhouse, 5, until=0)
    with Proxy(clickhouse) as proxy:
        at_work, over = threading.Event(), threading.Event()
        errors: list[Exception] = []

        def others_come_and_go() -> None:
            at_work.set()
            assert over.wait(60)

        def late() -> None:
            try:
                with leased(proxy.config, "aws"):
                    errors.append(AssertionError("two hold"))
            except Busy as error:
                errors.append(error)

        proxy.watch("create table _lock_aws__6", others_come_and_go, "before")
        thread = threading.Thread(target=late)
        thread.start()
        assert at_work.wait(60)
        with leased(clickhouse, "aws"):
            pass
        assert leftovers(clickhouse) == []
        with leased(clickhouse, "aws"):
            assert leftovers(clickhouse) == ["_lock_aws__1"]
            over.set()
            thread.join()
            assert leftovers(clickhouse) == ["_lock_aws__1"]
        assert [type(error) for error in errors] == [Busy]


def test_of_two_that_meet_the_one_waits_for_the_other_to_give_way(
    clickhouse: ClickHouseConfig,
) -> None:
    """The lower number, come to look, finds the higher one and goes; then the higher one holds."""
    forge(clickhouse, 5, until=0)
    with Proxy(clickhouse) as high, Proxy(clickhouse) as low:
        made_low, made_high = threading.Event(), threading.Event()
        results: dict[str, str] = {}

        def try_it(name: str, config: ClickHouseConfig) -> None:
            try:
                with leased(config, "aws"):
                    results[name] = "held"
            except Busy:
                results[name] = "gave way"

        def drop_dead_then_low_begins() -> None:
            query(clickhouse, "drop table _lock_aws__5")
            threads.append(start(lambda: try_it("low", low.config)))
            assert made_low.wait(60)

        def low_has_made_it() -> None:
            made_low.set()
            assert made_high.wait(60)

        threads: list[threading.Thread] = []
        high.watch("create table _lock_aws__6", drop_dead_then_low_begins, "before")
        low.watch("select name, comment", lambda: None)
        low.watch(5, low_has_made_it, "before")
        threads.append(start(lambda: try_it("high", high.config)))
        make = threading.Event()
        while "_lock_aws__6" not in leftovers(clickhouse) and not make.wait(0.01):
            assert threads
        made_high.set()
        for thread in threads:
            thread.join()
    assert results == {"high": "held", "low": "gave way"}
    assert leftovers(clickhouse) == []


def start(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def run_all(functions: list[Callable[[], None]]) -> None:
    threads = [start(function) for function in functions]
    for thread in threads:
        thread.join()
