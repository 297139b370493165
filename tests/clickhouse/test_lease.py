"""The lease in ClickHouse: one holder at a time, whoever comes, goes or dies."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import Busy
from tests.support.clickhouse.databases import Template
from tests.support.clickhouse.proxy import Proxy
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import (
    NORMALISED,
    RAW,
    environ,
    fingerprints,
    leftovers,
    query,
    totals,
)

ROOT = Path(__file__).resolve().parents[2]

HOLDER = """
import os, sys
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
with leased(ClickHouseConfig.from_env(os.environ), "aws"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def clickhouse(empty_clickhouse: ClickHouseConfig) -> ClickHouseConfig:
    """A database without tables: a lease needs none."""
    return empty_clickhouse


def comment(config: ClickHouseConfig, table: str) -> dict[str, Any]:
    where = f"database = '{config.database}' and name = '{table}'"
    found: dict[str, Any] = json.loads(
        query(config, f"select comment from system.tables where {where}")[0][0]
    )
    return found


def forge(config: ClickHouseConfig, number: int, **changes: Any) -> None:
    """A lock of a run on another machine, which lasts for an hour, or as `changes` say."""
    (now,) = query(config, "select toUnixTimestamp(now())")[0]
    run = {"token": "0", "host": "elsewhere", "machine": "another", "pid": 7, "start": "1"}
    text = quoted(json.dumps(run | {"until": now + 3600} | changes))
    query(config, f"create table _lock_aws__{number} (x UInt8) engine = Memory comment {text}")


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
        r"Wait until it has finished, then run again; if it died, its lock expires in "
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
        [sys.executable, "-c", HOLDER],
        cwd=ROOT,
        env=os.environ | environ(clickhouse, ROOT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
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


@pytest.mark.thorough
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
    clickhouse: ClickHouseConfig,
) -> None:
    looks, goes_on = threading.Event(), threading.Event()

    def look_late() -> None:
        looks.set()
        assert goes_on.wait(60)

    with Proxy(clickhouse) as proxy, leased(proxy.config, "aws", seconds=-1, renew_every=0.01):
        proxy.watch("select name, comment", look_late, "before")
        assert looks.wait(60)
        with leased(clickhouse, "aws"):
            assert leftovers(clickhouse) == ["_lock_aws__2"]
        forge(clickhouse, 1)  # a third run, which got the number of the first
        heir = comment(clickhouse, "_lock_aws__1")
        goes_on.set()
    assert comment(clickhouse, "_lock_aws__1") == heir


def test_a_server_that_has_gone_does_not_hide_what_went_wrong(
    clickhouse: ClickHouseConfig,
) -> None:
    proxy = Proxy(replace(clickhouse, max_retries=1))

    def fail_without_the_server() -> None:
        with leased(proxy.config, "aws"):
            proxy.close()
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        fail_without_the_server()
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

    run_all([partial(race, number) for number in range(8)])
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
    made_low, made_high = threading.Event(), threading.Event()
    results: dict[str, str] = {}
    threads: list[threading.Thread] = []

    def try_it(name: str, config: ClickHouseConfig) -> None:
        try:
            with leased(config, "aws"):
                results[name] = "held"
        except Busy:
            results[name] = "gave way"

    with Proxy(clickhouse) as high, Proxy(clickhouse) as low:

        def low_lets_high_go_first() -> None:
            made_low.set()
            _wait(made_high)

        def low_waits_before_it_looks() -> None:
            low.watch("select name, comment", low_lets_high_go_first, "before")

        def low_begins_at_1() -> None:
            query(clickhouse, "drop table _lock_aws__5")
            threads.append(start(lambda: try_it("low", low.config)))
            _wait(made_low)
            high.watch("select name, comment", made_high.set, "before")

        low.watch("create table _lock_aws__1", low_waits_before_it_looks, "before")
        high.watch("create table _lock_aws__6", low_begins_at_1, "before")
        try_it("high", high.config)
        threads[0].join()
    assert results == {"high": "held", "low": "gave way"}
    assert leftovers(clickhouse) == []


def _wait(event: threading.Event) -> None:
    assert event.wait(60)


def start(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def run_all(functions: Sequence[Callable[[], object]]) -> None:
    threads = [start(function) for function in functions]
    for thread in threads:
        thread.join()


# Two loaders with different deliveries of one month.


class Loader:
    """A process with a bucket and a working directory of its own, and one database for all."""

    def __init__(self, folder: Path, config: ClickHouseConfig, costs: list[float]) -> None:
        self.proxy, self.log = Proxy(config), folder / "log"
        self.dlt = folder / "dlt"
        self.dlt.mkdir(parents=True)
        deliver(folder / "bucket", "2026-09", costs, prefix=folder.name)
        variables = environ(self.proxy.config, folder / "bucket")
        self.variables = variables | {"DLT_DATA_DIR": str(self.dlt)}
        self.environ = os.environ | self.variables

    def load_here(self, commands: Commands) -> int:
        """In this process: faster. The exit status."""
        commands.set({name: self.environ[name] for name in self.variables})
        return commands("load").status

    def load(self) -> tuple[int, str]:
        """Exit status and what was said."""
        command = [sys.executable, "-m", "pipelines", "load"]
        ran = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True)
        return ran.returncode, ran.stdout + ran.stderr


OLD, ONE, OTHER = [1.0, 2.0], [10.0, 20.0, 30.0], [100.0]
WHOLE = [{"2026-09": total} for total in (3.0, 60.0, 100.0)]


@pytest.fixture
def loaders(
    clickhouse: ClickHouseConfig,
    clickhouse_template: Template,
    tmp_path: Path,
    commands: Commands,
) -> Iterator[tuple[Loader, Loader]]:
    """A published month, and two that have other deliveries of it."""
    clickhouse_template.restore(clickhouse.database)
    old = Loader(tmp_path / "old", clickhouse, OLD)
    assert old.load_here(commands) == 0
    made = Loader(tmp_path / "one", clickhouse, ONE), Loader(tmp_path / "other", clickhouse, OTHER)
    yield made
    for loader in (old, *made):
        loader.proxy.close()


def is_one_delivery(config: ClickHouseConfig) -> bool:
    marks = fingerprints(config)
    return marks[RAW] == marks[NORMALISED] and len(marks[RAW]) == 1


@pytest.mark.thorough
def test_a_second_loader_is_refused_while_the_first_is_at_work(
    clickhouse: ClickHouseConfig, loaders: tuple[Loader, Loader], commands: Commands
) -> None:
    one, other = loaders
    said: list[tuple[int, str]] = []
    one.proxy.watch("alter table aws_costs__cur", lambda: said.append(other.load()), "before")
    assert one.load()[0] == 0
    ((status, text),) = said
    assert (status, "error: aws is locked by" in text) == (1, True)
    assert (totals(clickhouse), is_one_delivery(clickhouse)) == (WHOLE[1], True)
    assert other.load_here(commands) == 0
    assert (totals(clickhouse), is_one_delivery(clickhouse)) == (WHOLE[2], True)
    assert leftovers(clickhouse) == []


MOMENTS = {
    "staging": "create table _stage_.*_raw ",
    "insert": r"insert into .*_raw \(",
    "publish-raw": "alter table aws_costs__cur replace",
    "publish-normalised": "alter table normalized_aws replace",
    "history": "insert into deliveries",
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(name, marks=[] if "publish" in name else pytest.mark.thorough)
        for name in MOMENTS
    ],
)
def test_a_loader_whose_lease_ran_out_mixes_nothing_with_the_one_that_took_over(
    clickhouse: ClickHouseConfig,
    loaders: tuple[Loader, Loader],
    commands: Commands,
    moment: str,
) -> None:
    one, other = loaders

    def other_takes_over() -> None:
        expire(clickhouse)
        assert other.load_here(commands) == 0
        assert (totals(clickhouse), is_one_delivery(clickhouse)) == (WHOLE[2], True)

    one.proxy.watch(MOMENTS[moment], other_takes_over, "before")
    status, text = one.load()
    assert totals(clickhouse) in WHOLE
    if status:
        assert "aws 2026-09: another run has taken over" in text
        assert "Traceback" not in text
    assert other.load_here(commands) == 0
    assert (totals(clickhouse), is_one_delivery(clickhouse)) == (WHOLE[2], True)
    assert leftovers(clickhouse) == []


@pytest.mark.parametrize(
    "rounds", [pytest.param(1, id="quick"), pytest.param(3, id="all", marks=pytest.mark.thorough)]
)
def test_two_loaders_that_know_nothing_of_each_other_never_show_a_mixture(
    clickhouse: ClickHouseConfig, loaders: tuple[Loader, Loader], commands: Commands, rounds: int
) -> None:
    seen: list[dict[str, float]] = []
    over = threading.Event()

    def read_and_expire() -> None:
        while not over.is_set():
            expire(clickhouse)
            seen.append(totals(clickhouse))
            over.wait(0.2)  # leaves the processor to the loaders

    reader = start(read_and_expire)
    try:
        for _ in range(rounds):
            run_all([loader.load for loader in loaders])
    finally:
        over.set()
        reader.join()
    assert [each for each in seen if each not in WHOLE] == []
    assert loaders[0].load_here(commands) == 0
    assert (totals(clickhouse), is_one_delivery(clickhouse)) == (WHOLE[1], True)
    assert leftovers(clickhouse) == []


def expire(config: ClickHouseConfig) -> None:
    """Make every lease one that has run out."""
    for table in leftovers(config):
        if table.startswith("_lock_"):
            try:
                run = quoted(json.dumps(comment(config, table) | {"until": 0}))
                query(config, f"alter table {table} modify comment {run}")
            except (ClickHouseError, IndexError):
                continue  # its run has ended meanwhile
