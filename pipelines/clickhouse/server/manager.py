"""One connection to ClickHouse over the native protocol: opened late, retried with care.

What may be repeated is decided here, once. Connecting may, unless the server refused the login or
the certificate is wrong. A read may, once. A statement that changes something may not: when the
connection breaks under it, its outcome is unknown, so the caller gets an error.
"""

from __future__ import annotations

import logging
import re
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import tenacity
from clickhouse_driver import Client
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.errors import NetworkError, SocketTimeoutError, TypeMismatchError

from pipelines.clickhouse.server.cluster import rendered
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import (
    ClickHouseAuthError,
    ClickHouseConnectionError,
    ClickHouseError,
    ClickHouseQueryError,
)
from pipelines.clickhouse.server.patience import patiently
from pipelines.clickhouse.server.problems import (
    detail,
    diagnose,
    explain,
    redacted,
    scrub,
    server_code,
)
from pipelines.clickhouse.server.rules import Kind
from pipelines.clickhouse.server.settings import of_statement

log = logging.getLogger(__name__)
# The driver logs a traceback at WARNING for every failed try; we report what it raises.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)

Row = tuple[Any, ...]
T = TypeVar("T")

BATCH_ROWS = 50_000
BACKOFF = tenacity.wait_exponential(multiplier=0.5, max=10)
_READ = re.compile(
    r"(\s|\(|--[^\n]*\n)*"
    r"(select|show|desc|describe|explain|exists|with(?!.*\binsert\b))\b",
    re.IGNORECASE | re.DOTALL,
)
# What the server refused may be asked of it again without harm.
_IDEMPOTENT = re.compile(
    r"\s*(drop .*\bif exists|create .*\bif not exists|alter table \S+ (replace|drop) partition)\b",
    re.I,
)
_INSERT = re.compile(r"\s*insert\b", re.IGNORECASE)
# What the driver raises before anything of a statement is sent, and what in the middle of one.
_NOT_SENT = (NetworkError, SocketTimeoutError)
_BROKEN = (OSError, EOFError)
# A row that does not fit its table comes out of the driver in any of these.
_MISFIT = (ValueError, TypeError, AttributeError, LookupError, struct.error)


class ClickHouseManager:
    """Runs statements on one server; a context manager that always closes.

    Nothing is opened before `connect()` or the first statement. clickhouse-driver's connection is
    not safe for threads, so a lock admits one statement at a time: threads that are to work side
    by side take a manager each. What a session holds (temporary tables, `use`, `set`) is lost with
    its connection, which also ends with every statement that fails.

    `wait`, `stop` and `sleep` are tenacity's, for the tries to connect; without `stop` there are
    `config.max_retries` of them. No error, log line or repr holds the password.
    """

    def __init__(
        self,
        config: ClickHouseConfig,
        *,
        wait: tenacity.wait.WaitBaseT = BACKOFF,
        stop: tenacity.stop.StopBaseT | None = None,
        sleep: Callable[[float], None] = tenacity.nap.sleep,
    ) -> None:
        self.config = config
        self._wait = wait
        self._stop = stop or tenacity.stop_after_attempt(config.max_retries)
        self._sleep = sleep
        self._client: Any = None  # a clickhouse_driver.Client, which has no types
        self._lock = threading.RLock()

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open, as far as is known: only its use shows that it broke."""
        client = self._client
        return client is not None and bool(client.connection.connected)

    @property
    def connection(self) -> object:
        """The open connection, None without one. The same one leads to the same replica."""
        return self._client.connection.socket if self.is_connected else None

    def connect(self) -> None:
        """Open the connection; nothing happens when it is open.

        Raises ClickHouseAuthError at once, ClickHouseConnectionError after the last try.
        """
        with self._lock:
            if not self.is_connected:
                self._connect_with_backoff()

    def execute(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Run one statement; its rows, none for a statement that returns none.

        `params` replace `%(name)s` in `sql`, escaped as literals; write `%%` for a percent sign
        then. Times are cut to seconds by the driver. A read is repeated once on a new connection;
        of any other statement, ClickHouseConnectionError says that it may have happened.
        Raises ClickHouseQueryError when the server refuses it; for a reason that passes by itself,
        when it still does after `config.retry_seconds` of trying what may be repeated.
        """

        sql = rendered(sql, self.config.cluster, self.config.database)

        def run(client: Client) -> list[Row]:
            given = dict(params) if params else None
            result = client.execute(sql, given, settings=of_statement(settings))
            return result if isinstance(result, list) else []

        is_read = bool(_READ.match(sql))
        with self._lock:
            if not is_read and not _IDEMPOTENT.match(sql):
                return self._run(run, sql, repeatable=False)
            return patiently(self.config, lambda: self._run(run, sql, is_read), sleep=self._sleep)

    def execute_many(
        self,
        sql: str,
        rows: Iterable[Sequence[Any] | Mapping[str, Any]],
        batch_size: int = BATCH_ROWS,
        *,
        repeatable: bool = False,
    ) -> int:
        """Insert rows by `insert into t (a, b) values`; how many were sent.

        Each batch of `batch_size` rows is an insert of its own, so a failure leaves the batches
        before it. `repeatable` says that the target may get a batch twice without harm, because it
        removes duplicates or is emptied when the whole is done again: then a broken connection is
        opened again and that batch sent once more; else the error says what may have arrived.
        """
        if batch_size < 1 or not _INSERT.match(sql):
            raise ValueError(f"batches of {batch_size} rows for {self._shown(sql)}: not an insert")
        waiting, sent = iter(rows), 0
        with self._lock:
            while batch := list(islice(waiting, batch_size)):

                def run(client: Client, batch: list[Any] = batch) -> None:
                    client.execute(sql, batch, settings=of_statement())

                try:
                    self._run(run, sql, repeatable)
                except ClickHouseError as error:
                    error.add_note(f"{sent} rows were inserted before this batch of {len(batch)}.")
                    raise
                sent += len(batch)
        return sent

    def health_check(self) -> bool:
        """True only when `select 1` succeeds now; False when not, and never an error.

        One try without backoff. Waits for a statement that another thread runs.
        """
        with self._lock:
            try:
                if not self.is_connected:
                    self._open()
                answer = self._client.execute("select 1", settings=of_statement())
                return bool(answer == [(1,)])
            except (DriverError, *_BROKEN, *_MISFIT) as error:
                log.info("not healthy: %s", explain(error, self.config))
                self.close()
                return False

    def close(self) -> None:
        """Close the connection; can be repeated. A later statement opens a new one."""
        with self._lock:
            client, self._client = self._client, None
            if client is None:
                return
            try:
                client.disconnect()
            except OSError as error:
                log.debug("closing: %s", detail(error, self.config))

    def __enter__(self) -> ClickHouseManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "connected" if self.is_connected else "not connected"
        return f"<ClickHouseManager {self.config.user}@{self._place} {state}>"

    @property
    def _place(self) -> str:
        return f"{self.config.host}:{self.config.port}"

    def _run(self, run: Callable[[Client], T], sql: str, repeatable: bool) -> T:
        """Run it on the open connection, or once more on a new one where that does no harm."""
        for last in (False, True):
            self.connect()
            try:
                return run(self._client)
            except (*_NOT_SENT, *_BROKEN) as error:
                self.close()
                harmless = repeatable or isinstance(error, _NOT_SENT)
                if last or not harmless:
                    raise self._lost(error, sql) from redacted(error, self.config)
                log.info("%s; reconnecting", explain(error, self.config))
            except (DriverError, *_MISFIT) as error:
                raise self._refused(error, sql) from redacted(error, self.config)
        raise AssertionError  # the second time round returns or raises

    def _connect_with_backoff(self) -> None:
        retrying = tenacity.Retrying(
            wait=self._wait,
            stop=self._stop,
            sleep=self._sleep,
            retry=tenacity.retry_if_exception(self._may_pass),
            before_sleep=self._log_try,
            reraise=True,
        )
        try:
            retrying(self._open)
        except (DriverError, *_BROKEN) as error:
            tries = retrying.statistics["attempt_number"]
            text = explain(error, self.config) + (f" (tried {tries} times)" if tries > 1 else "")
            raise self._no_connection(error, text) from redacted(error, self.config)

    def _no_connection(self, error: BaseException, text: str) -> ClickHouseError:
        if diagnose(error, self.config).kind is Kind.AUTH:
            return ClickHouseAuthError(text)
        code = server_code(error)
        return ClickHouseConnectionError(text) if code is None else ClickHouseQueryError(text, code)

    def _open(self) -> None:
        """Log in. The driver would wait `answer_timeout` for a port that takes and says nothing."""
        client = Client(
            **self.config.to_driver_arguments(), send_receive_timeout=self.config.connect_timeout
        )
        # the driver opens its connection with the first statement
        client.execute("select 1", settings=of_statement())
        client.connection.send_receive_timeout = self.config.answer_timeout
        client.connection.socket.settimeout(self.config.answer_timeout)
        self._client = client

    def _may_pass(self, error: BaseException) -> bool:
        if not isinstance(error, (DriverError, *_BROKEN)):
            return False
        return diagnose(error, self.config).kind is Kind.NETWORK

    def _log_try(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None and state.next_action is not None:
            pause = state.next_action.sleep
            log.warning("%s; next try in %.1f s", explain(error, self.config), pause)

    def _lost(self, error: BaseException, sql: str) -> ClickHouseConnectionError:
        return ClickHouseConnectionError(
            f"ClickHouse at {self._place}: the connection broke while a statement ran "
            f"({detail(error, self.config)}); it may or may not have been executed: "
            f"{self._shown(sql)}. Fix: check that the server runs, then run the command again"
        )

    def _refused(self, error: BaseException, sql: str) -> ClickHouseError:
        """A statement that the server would not run, or rows that do not fit."""
        if not isinstance(error, (TypeMismatchError, *_MISFIT)):
            text = f"{explain(error, self.config)}. The statement: {self._shown(sql)}"
            return ClickHouseQueryError(text, server_code(error))
        return ClickHouseQueryError(
            f"ClickHouse at {self._place}: the values do not fit the statement "
            f"({type(error).__name__}: {detail(error, self.config)}): {self._shown(sql)}. "
            "Fix: one value of the column's type for each column, one parameter for each %(name)s"
        )

    def _shown(self, sql: str) -> str:
        line = scrub(" ".join(sql.split()), self.config)
        return line if len(line) <= 200 else f"{line[:200]}…"
