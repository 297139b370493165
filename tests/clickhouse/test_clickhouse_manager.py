"""ClickHouseManager on a real server, which is stopped, killed and started under it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
import tenacity
from clickhouse_driver.errors import ServerException

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import (
    ClickHouseAuthError,
    ClickHouseConnectionError,
    ClickHouseQueryError,
)
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import UserError, causes
from tests.support.clickhouse.server import Server

AT_ONCE = tenacity.wait_none()


@pytest.fixture
def clickhouse(empty_clickhouse: ClickHouseConfig) -> ClickHouseConfig:
    """A database without tables: the manager knows none."""
    return empty_clickhouse


@pytest.fixture
def manager(clickhouse: ClickHouseConfig) -> Iterator[ClickHouseManager]:
    with ClickHouseManager(clickhouse) as opened:
        yield opened


@pytest.fixture
def shaky(own_server: Server) -> Iterator[ClickHouseManager]:
    """A connection to a server that the test stops."""
    with ClickHouseManager(own_server.config(), wait=AT_ONCE) as opened:
        opened.execute("create or replace table t (n UInt8) engine = MergeTree order by n")
        yield opened


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats every connection as `answer` says; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    if stopping.is_set():
                        return
                    answer(client)

        stopping = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        port = int(listening.getsockname()[1])
        yield port
        stopping.set()
        socket.create_connection(("127.0.0.1", port), 5).close()
        thread.join(10)


def unreachable(port: int, **changes: Any) -> ClickHouseConfig:
    """A configuration for something that is no ClickHouse."""
    values: dict[str, Any] = {"user": "loader", "password": "hunter2"} | changes
    return ClickHouseConfig("127.0.0.1", port, 1, **values)


def test_nothing_is_opened_before_connect(clickhouse: ClickHouseConfig) -> None:
    manager = ClickHouseManager(clickhouse)
    seen = [manager.is_connected]
    for step in (manager.connect, manager.connect, manager.close, manager.close):
        step()
        seen.append(manager.is_connected)
    assert seen == [False, True, True, False, False]


def test_the_first_statement_connects(manager: ClickHouseManager) -> None:
    assert manager.execute("select 1, 'a'") == [(1, "a")]
    assert manager.is_connected


def test_a_context_manager_closes_after_an_error_too(clickhouse: ClickHouseConfig) -> None:
    manager = ClickHouseManager(clickhouse)
    with pytest.raises(ClickHouseQueryError), manager:
        manager.execute("selec 1")
    assert not manager.is_connected


def test_a_closed_manager_opens_again_when_it_is_used(manager: ClickHouseManager) -> None:
    manager.connect()
    manager.close()
    assert manager.execute("select 1") == [(1,)]


def test_parameters_are_escaped(manager: ClickHouseManager) -> None:
    row = manager.execute(
        "select %(text)s, %(number)s, %(nothing)s, toDate(%(day)s), toDateTime(%(time)s), "
        "%(list)s, '100%%'",
        {
            "text": "it's; drop table t --\\",
            "number": 1.5,
            "nothing": None,
            "day": date(2026, 10, 1),
            "time": datetime(2026, 10, 1, 12, tzinfo=UTC),
            "list": ["a", "b'"],
        },
    )
    assert row == [
        (
            "it's; drop table t --\\",
            1.5,
            None,
            date(2026, 10, 1),
            datetime(2026, 10, 1, 12),  # noqa: DTZ001 - the driver gives naive UTC
            ["a", "b'"],
            "100%",
        )
    ]


def test_a_percent_sign_without_parameters_stays(manager: ClickHouseManager) -> None:
    assert manager.execute("select 7 % 4, '%(x)s'") == [(3, "%(x)s")]
    assert manager.execute("select 7 % 4", {}) == [(3,)]


def test_settings_hold_for_one_statement(manager: ClickHouseManager) -> None:
    sql = "select getSetting('max_threads')"
    usual = manager.execute(sql)
    assert manager.execute(sql, settings={"max_threads": 7}) == [(7,)]
    assert manager.execute(sql) == usual


def test_statements_without_rows_give_none(manager: ClickHouseManager) -> None:
    assert manager.execute("create table t (a UInt8, b String) engine = Memory") == []
    assert manager.execute("insert into t values (1, 'x')") == []
    assert manager.execute("insert into t select a + 1, b from t") == []
    assert manager.execute("select * from t order by a") == [(1, "x"), (2, "x")]


def test_execute_many_inserts_in_batches(manager: ClickHouseManager) -> None:
    manager.execute("create table t (n UInt32, s String) engine = MergeTree order by n")
    rows = ((n, f"row {n}") for n in range(10))
    assert manager.execute_many("insert into t values", rows, batch_size=4) == 10
    assert manager.execute("select n, s from t order by n") == [(n, f"row {n}") for n in range(10)]
    parts = "select rows from system.parts where database = currentDatabase() order by name"
    assert manager.execute(parts) == [(4,), (4,), (2,)]


def test_execute_many_takes_dictionaries_and_chosen_columns(manager: ClickHouseManager) -> None:
    manager.execute("create table t (a UInt8, b UInt8 default 7) engine = Memory")
    assert manager.execute_many("insert into t (a) values", [{"a": 1}, {"a": 2}]) == 2
    assert manager.execute("select a, b from t order by a") == [(1, 7), (2, 7)]


def test_no_rows_are_no_insert(manager: ClickHouseManager) -> None:
    assert manager.execute_many("insert into no_such_table values", []) == 0
    assert not manager.is_connected


@pytest.mark.parametrize(("sql", "batch_size"), [("insert into t values", 0), ("select 1", 10)])
def test_execute_many_refuses_what_is_no_insert(
    manager: ClickHouseManager, sql: str, batch_size: int
) -> None:
    with pytest.raises(ValueError, match="not an insert"):
        manager.execute_many(sql, [(1,)], batch_size)


MISFITS = [
    ([(1, "x"), (2,)], "ValueError: Different rows length"),
    ([(1, 7)], "AttributeError: 'int' object has no attribute 'encode'"),
    ([{"a": 1}], "KeyError: 'b'"),
    (
        [(300, "x")],
        "TypeMismatchError: Type mismatch in VALUES section. Repeat query with types_check=True "
        "for detailed info. Column a: ubyte format requires 0 <= number <= 255",
    ),
    (
        [(None, "x")],
        "TypeMismatchError: Type mismatch in VALUES section. Repeat query with types_check=True "
        "for detailed info. Column a: required argument is not an integer",
    ),
]


@pytest.mark.parametrize(("rows", "message"), MISFITS)
def test_a_row_that_does_not_fit_stops_its_batch_alone(
    manager: ClickHouseManager, rows: list[Any], message: str
) -> None:
    manager.execute("create table t (a UInt8, b String) engine = Memory")
    place = f"{manager.config.host}:{manager.config.port}"
    with pytest.raises(ClickHouseQueryError) as caught:
        manager.execute_many("insert into t values", [(1, "kept"), (2, "kept"), *rows], 2)
    assert str(caught.value) == (
        f"ClickHouse at {place}: the values do not fit the statement ({message}): "
        "insert into t values. Fix: one value of the column's type for each column, one "
        "parameter for each %(name)s"
    )
    assert caught.value.__notes__ == [f"2 rows were inserted before this batch of {len(rows)}."]
    assert manager.execute("select * from t order by a") == [(1, "kept"), (2, "kept")]


def test_a_missing_parameter_is_named(manager: ClickHouseManager) -> None:
    with pytest.raises(ClickHouseQueryError, match=r"KeyError: 'a'\): select %\(a\)s"):
        manager.execute("select %(a)s", {"b": 1})


def test_a_refused_statement_names_the_servers_reason(manager: ClickHouseManager) -> None:
    place = f"{manager.config.host}:{manager.config.port}"
    tls = "TLS" if manager.config.secure else "no TLS"
    with pytest.raises(ClickHouseQueryError) as caught:
        manager.execute("select *\nfrom nowhere.nothing")
    assert caught.value.code == 81
    assert str(caught.value).endswith(". The statement: select * from nowhere.nothing")
    with pytest.raises(ClickHouseQueryError) as caught:
        manager.execute("select toUInt8('x')")
    assert caught.value.code == 6
    assert str(caught.value).startswith(f"ClickHouse at {place} (native protocol, {tls}): Cannot")
    assert str(caught.value).endswith(
        ". Fix: correct the statement, or what it reads. The statement: select toUInt8('x')"
    )
    assert "Stack trace" not in str(caught.value)
    assert manager.execute("select 1") == [(1,)]


def test_a_long_statement_is_cut_in_the_message(manager: ClickHouseManager) -> None:
    with pytest.raises(ClickHouseQueryError) as caught:
        manager.execute("selec " + "x" * 1000)
    assert str(caught.value).endswith(". The statement: selec " + "x" * 194 + "…")


@pytest.mark.thorough
def test_health_check_follows_the_server(own_server: Server) -> None:
    steps = (own_server.stop, own_server.start, own_server.kill, own_server.start)
    with ClickHouseManager(own_server.config()) as manager:
        seen = [(manager.health_check(), manager.is_connected)]
        for step in steps:
            step()
            seen.append((manager.health_check(), manager.is_connected))
    well, gone = (True, True), (False, False)
    assert seen == [well, gone, well, gone, well]


def test_health_check_is_false_for_a_wrong_password(own_server: Server) -> None:
    assert not ClickHouseManager(own_server.config(password="wrong")).health_check()


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_a_restarted_server_is_found_again(
    own_server: Server, shaky: ClickHouseManager, end: Callable[[Server], int]
) -> None:
    shaky.execute_many("insert into t values", [(1,)])
    end(own_server)
    own_server.start()
    assert shaky.execute("select n from t") == [(1,)]
    end(own_server)
    own_server.start()
    # nothing of the insert was sent before the new connection stood, so it happens once
    shaky.execute_many("insert into t values", [(2,)])
    assert shaky.execute("select n from t order by n") == [(1,), (2,)]


@pytest.mark.parametrize("sql", ["select n from t", "insert into t values (1)"])
def test_a_server_that_has_gone_is_named_with_the_fix(
    own_server: Server, shaky: ClickHouseManager, sql: str
) -> None:
    own_server.kill()
    with pytest.raises(ClickHouseConnectionError) as caught:
        shaky.execute(sql)
    assert str(caught.value) == (
        f"ClickHouse at localhost:{own_server.ready['port']} (native protocol, no TLS): nothing "
        "listens there. Fix: make clickhouse-up (tried 3 times)"
    )
    assert not shaky.is_connected


def test_the_tries_to_connect_come_at_growing_intervals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pauses: list[float] = []
    port = free_port()
    manager = ClickHouseManager(unreachable(port, max_retries=4), sleep=pauses.append)
    with pytest.raises(ClickHouseConnectionError, match=r"tried 4 times"):
        manager.connect()
    assert pauses == [0.5, 1.0, 2.0]
    assert [record.getMessage() for record in caplog.records] == [
        f"ClickHouse at 127.0.0.1:{port} (native protocol, no TLS): nothing listens there. "
        f"Fix: make clickhouse-up; next try in {pause} s"
        for pause in pauses
    ]


def test_a_server_that_wakes_up_late_is_waited_for(own_server: Server) -> None:
    own_server.stop()
    pauses: list[float] = []

    def wake(pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 2:
            own_server.start()

    manager = ClickHouseManager(
        own_server.config(), stop=tenacity.stop_after_attempt(10), wait=AT_ONCE, sleep=wake
    )
    with manager:
        assert manager.execute("select 1") == [(1,)]
    assert pauses == [0, 0]


@pytest.mark.parametrize("changes", [{"password": "hunter2"}, {"user": "nobody"}])
def test_a_refused_login_is_not_tried_again(
    own_server: Server, changes: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pauses: list[float] = []
    config = own_server.config(**changes)
    with pytest.raises(ClickHouseAuthError) as caught:
        ClickHouseManager(config, sleep=pauses.append).connect()
    assert str(caught.value) == (
        f"ClickHouse at localhost:{config.port} (native protocol, no TLS): the server refuses "
        f"user {config.user} with this password. Fix: correct the user (from: the caller) or the "
        "password (from: the caller)"
    )
    assert pauses == []
    assert str(config.password) not in caplog.text


def test_a_database_that_is_not_there_is_not_tried_again(own_server: Server) -> None:
    pauses: list[float] = []
    config = own_server.config(database="dlt")
    with pytest.raises(ClickHouseQueryError) as caught:
        ClickHouseManager(config, sleep=pauses.append).connect()
    assert (caught.value.code, str(caught.value)) == (
        81,
        f"ClickHouse at localhost:{config.port} (native protocol, no TLS): the database dlt does "
        "not exist. Fix: make init-clickhouse creates it; or correct its name (from: the caller)",
    )
    assert pauses == []


def test_a_wrong_port_is_not_tried_again(own_server: Server) -> None:
    pauses: list[float] = []
    http = own_server.ready["http_port"]
    with pytest.raises(ClickHouseConnectionError) as caught:
        ClickHouseManager(own_server.config(port=http, http_port=1), sleep=pauses.append).connect()
    assert str(caught.value) == (
        f"ClickHouse at localhost:{http} (native protocol, no TLS): what answers here is not "
        "ClickHouse's native protocol but HTTP, or TLS. Fix: set CLICKHOUSE_PORT to the native "
        "port (9440, without TLS 9000); if it has TLS, CLICKHOUSE_MODE=cloud"
    )
    assert pauses == []


def test_a_server_that_hangs_up_is_tried_again() -> None:
    with answering(lambda client: None) as port:
        manager = ClickHouseManager(unreachable(port), wait=AT_ONCE)
        with pytest.raises(ClickHouseConnectionError, match=r"was closed .* \(tried 3 times\)"):
            manager.connect()


@pytest.mark.parametrize("accepts", [True, False])
def test_a_server_that_keeps_silent_is_given_up_in_time(accepts: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8 if accepts else 0) as silent:
        port = silent.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):  # fills a queue of none
            config = unreachable(port, connect_timeout=0.1, max_retries=2)
            with pytest.raises(ClickHouseConnectionError) as caught:
                ClickHouseManager(config, wait=AT_ONCE).connect()
    assert str(caught.value) == (
        f"ClickHouse at 127.0.0.1:{port} (native protocol, no TLS): no answer in time. Fix: try "
        "again if the service was asleep; else let this machine's address into the service's IP "
        "access list, and check the firewall; connecting may take 0.1 s "
        "(CLICKHOUSE_CONNECT_TIMEOUT) (tried 2 times)"
    )


class Breaking:
    """A relay to a server that cuts the connection when a marked statement passes."""

    def __init__(self, target: int, mark: bytes) -> None:
        self.target, self.mark, self.cuts = target, mark, 0

    def __call__(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target), 10) as server:
            answers = threading.Thread(target=self._pump, args=(server, client))
            answers.start()
            self._pump(client, server, self.mark if self.cuts == 0 else b"")
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            answers.join(10)

    def _pump(self, source: socket.socket, target: socket.socket, mark: bytes = b"") -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if mark and mark in data:
                    self.cuts += 1
                    return
        except OSError:
            return


@contextmanager
def broken_once(server: Server, mark: bytes) -> Iterator[tuple[ClickHouseManager, Breaking]]:
    """A manager whose first statement with `mark` breaks after it has reached the server."""
    relay = Breaking(server.ready["port"], mark)
    with (
        answering(relay) as port,
        ClickHouseManager(server.config(port=port), wait=AT_ONCE) as manager,
    ):
        yield manager, relay
        manager.close()


def test_a_read_that_breaks_is_read_again(own_server: Server) -> None:
    for sql in (
        "select 1 /*mark*/",
        "-- why\nwith 1 as x select x /*mark*/",
        "((select 1) /*mark*/)",
    ):
        with broken_once(own_server, b"mark") as (manager, relay):
            assert manager.execute(sql) == [(1,)]
            assert relay.cuts == 1


@pytest.mark.parametrize(
    "sql",
    [
        "insert into t select 1 /*mark*/",
        "with 1 as x insert into t select x /*mark*/",
        "alter table t delete where n = 1 /*mark*/",
    ],
)
def test_a_change_that_breaks_is_reported_and_not_repeated(own_server: Server, sql: str) -> None:
    with broken_once(own_server, b"mark") as (manager, relay):
        manager.execute("create or replace table t (n UInt8) engine = MergeTree order by n")
        with pytest.raises(ClickHouseConnectionError) as caught:
            manager.execute(sql)
        assert relay.cuts == 1
        assert f"it may or may not have been executed: {sql}. Fix: check that" in str(caught.value)
        assert not manager.is_connected
        assert manager.execute("select 2") == [(2,)]


def test_an_insert_is_sent_again_only_when_the_caller_says_so(own_server: Server) -> None:
    create = "create or replace table t (n UInt8) engine = ReplacingMergeTree order by n"
    for repeatable, expected in ((True, [(1,), (2,), (3,)]), (False, None)):
        with broken_once(own_server, b"insert into t values") as (manager, relay):
            manager.execute(create)
            rows = [(1,), (2,), (3,)]
            if expected:
                sql = "insert into t values"
                assert manager.execute_many(sql, rows, 2, repeatable=repeatable) == 3
                assert manager.execute("select n from t final order by n") == expected
            else:
                with pytest.raises(
                    ClickHouseConnectionError, match="may or may not have been"
                ) as caught:
                    manager.execute_many("insert into t values", rows, 2)
                assert caught.value.__notes__ == ["0 rows were inserted before this batch of 2."]
            assert relay.cuts == 1


def test_the_server_killed_under_a_query_is_reported(own_server: Server) -> None:
    with ClickHouseManager(own_server.config(), wait=AT_ONCE) as manager:
        manager.connect()
        failed: list[Exception] = []

        def insert() -> None:
            try:
                manager.execute(
                    "insert into function null('n UInt64') select number from system.numbers"
                )
            except UserError as error:
                failed.append(error)

        thread = threading.Thread(target=insert)
        thread.start()
        with ClickHouseManager(own_server.config()) as other:
            running = "select count() > 0 from system.processes where query like '%numbers'"
            while other.execute(running) != [(True,)]:
                pass
        own_server.kill()
        thread.join(60)
        assert [type(error) for error in failed] == [ClickHouseConnectionError]
        assert "it may or may not have been executed" in str(failed[0])


def test_threads_take_turns_on_one_connection(manager: ClickHouseManager) -> None:
    answers: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        answers.extend(
            (number, manager.execute("select %(n)s + 0", {"n": number})[0][0]) for _ in range(20)
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == sorted((number, number) for number in range(4) for _ in range(20))


def test_the_password_is_in_no_text(own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    password = own_server.password
    texts = []
    with ClickHouseManager(own_server.config(), wait=AT_ONCE) as manager:
        texts += [repr(manager), repr(manager.config)]
        # a server's error repeats the statement, whatever it holds
        for sql in (f"select '{password}' + 1", f"selec '{password}'"):
            with pytest.raises(ClickHouseQueryError) as caught:
                manager.execute(sql)
            texts += [f"{error!r} {error} {error.args}" for error in causes(caught.value)]
            assert any(isinstance(error, ServerException) for error in causes(caught.value))
        own_server.stop()
        with pytest.raises(ClickHouseConnectionError) as gone:
            manager.execute(f"select '{password}'")
        texts += [f"{error!r} {error} {error.args}" for error in causes(gone.value)]
    texts += [record.getMessage() for record in caplog.records]
    assert "***" in "".join(texts)
    assert [text for text in texts if password in text] == []


def test_a_manager_says_where_it_is_connected(clickhouse: ClickHouseConfig) -> None:
    with ClickHouseManager(clickhouse) as manager:
        name = f"{clickhouse.user}@{clickhouse.host}:{clickhouse.port}"
        assert repr(manager) == f"<ClickHouseManager {name} not connected>"
        manager.connect()
        assert repr(manager) == f"<ClickHouseManager {name} connected>"
