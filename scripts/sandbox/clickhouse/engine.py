"""The ClickHouse engine of the wheel `chdb-core`, run as a server inside this process.

The wheel's extension module has a private function `chdb._chdb.query(sql, format, path=…)` which
runs a whole `clickhouse-local`. That reads `./config.xml` for ports and users, and understands
`SYSTEM START LISTEN`. Its last query reads a FIFO that nobody writes to, which keeps it alive;
closing the FIFO ends it in good order. Private means that a new version may change it: the version
is checked here, and pinned in pyproject.toml.

`clickhouse-local` opens its own session as `default` without a password, so `default` cannot have
one. It is shut to the network by allowing it a single session, which is the engine's own, and it
has next to no grants.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HOST = "127.0.0.1"  # the engine's file() reads local files, so nobody else may reach it
VERSION = "26.9"
START_SECONDS = 60
STOP_SECONDS = 30
# How long a table without work waits until it looks for some again; each insert wakes it anyway.
# With the default of 0.1 s, ten empty databases of this project take a quarter of a core.
IDLE_SECONDS = 30
IDLE_SETTING = "thread_sleep_seconds_if_nothing_to_do"
IDLE_POOLS = ("background_processing_pool", "background_streaming_processing_pool")
_FLEETING = ("ports.tsv", "stop.fifo")


class EngineError(Exception):
    """The engine cannot run; the message names the fix."""


@dataclass(frozen=True)
class Account:
    """The one user that gets in over the network, with all rights."""

    name: str
    password: str = field(repr=False)


@dataclass
class Engine:
    """One engine on `folder`/data. A process can run one, once: the wheel holds global state."""

    folder: Path
    account: Account
    port: int
    http_port: int
    log_level: str = "none"
    version: str = ""
    _error: str = ""
    _fifo: int = -1
    _thread: threading.Thread | None = None

    def start(self, on_end: Callable[[], None]) -> None:
        """Start it and wait until both ports accept; `port`, `http_port`, `version` are then real.

        `on_end` is called from the engine's thread whenever it ends. Changes the working directory
        to `folder`, the only place where clickhouse-local looks for its config, and the variable
        TZ. Raises EngineError.
        """
        check_wheel()
        self._write_files()
        os.chdir(self.folder)
        os.environ["TZ"] = (
            "UTC"  # what it takes for its time zone, as a server in production has it
        )
        engine: Any = importlib.import_module("chdb._chdb")  # private, so without types

        def run() -> None:
            try:
                result = engine.query(self._statements(), "TSV", path=str(self.folder / "data"))
                self._error = result.error_message() if result.has_error() else ""
            except RuntimeError as error:
                self._error = str(error)
            finally:
                on_end()

        self._thread = threading.Thread(target=run, name="clickhouse", daemon=True)
        self._thread.start()
        self._await_ports(self._thread)

    def stop(self) -> None:
        """End it in good order: queries are cancelled, parts are flushed. Raises EngineError."""
        if self._thread is None:
            return
        ended_by_itself = not self._thread.is_alive()
        os.close(self._fifo)
        self._thread.join(0.1)
        deadline = time.monotonic() + STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            # just started, it may open the FIFO only now, and then waits for a writer to come
            with contextlib.suppress(OSError):
                os.close(os.open(self.folder / "stop.fifo", os.O_WRONLY | os.O_NONBLOCK))
            self._thread.join(0.1)
        if self._thread.is_alive():
            raise EngineError(f"the engine did not stop in {STOP_SECONDS} s")
        self._remove_fleeting()
        if ended_by_itself or self._error:
            raise EngineError(f"the engine ended by itself: {self._error or 'no reason given'}")

    def _write_files(self) -> None:
        self._remove_fleeting()
        fifo = self.folder / "stop.fifo"
        os.mkfifo(fifo, 0o600)
        self._fifo = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        users = self.folder / "users.xml"
        users.touch(0o600)
        users.write_text(_users_xml(self.account), encoding="utf-8")
        idle = "".join(
            f"  <{pool}_{IDLE_SETTING}>{IDLE_SECONDS}</{pool}_{IDLE_SETTING}>\n"
            for pool in IDLE_POOLS
        )
        (self.folder / "config.xml").write_text(
            f"""<clickhouse>
  <listen_host>{HOST}</listen_host>
  <tcp_port>{self.port}</tcp_port>
  <http_port>{self.http_port}</http_port>
  <users_config>{escape(str(users))}</users_config>
  <log-level>{escape(self.log_level)}</log-level>
{idle}</clickhouse>
""",
            encoding="utf-8",
        )

    def _statements(self) -> str:
        ports, fifo = (_quoted(self.folder / name) for name in _FLEETING)
        return f"""
system start listen tcp;
system start listen http;
select getServerPort('tcp_port'), getServerPort('http_port'), version()
into outfile {ports} truncate format TSV;
select count() from file({fifo}, 'LineAsString', 'line String') format Null;
"""

    def _await_ports(self, thread: threading.Thread) -> None:
        deadline = time.monotonic() + START_SECONDS
        ports = self.folder / "ports.tsv"
        while not (ports.exists() and ports.read_text(encoding="utf-8").endswith("\n")):
            if not thread.is_alive():
                raise EngineError(f"the engine did not start: {self._error}")
            if time.monotonic() > deadline:
                raise EngineError(f"the engine was not ready in {START_SECONDS} s")
            time.sleep(0.02)
        tcp, http, self.version = ports.read_text(encoding="utf-8").split()
        self.port, self.http_port = int(tcp), int(http)

    def _remove_fleeting(self) -> None:
        for name in _FLEETING:
            (self.folder / name).unlink(missing_ok=True)


def check_wheel() -> None:
    """Raise EngineError unless the pinned engine is installed, before its 500 MB are loaded."""
    try:
        version = importlib.metadata.version("chdb-core")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError(
            f"the package chdb-core is not installed in {sys.prefix}. Fix: make install"
        ) from None
    if not version.startswith(f"{VERSION}."):
        raise EngineError(
            f"chdb-core is {version}, this script needs {VERSION}. Fix: make install "
            f"(or pip install 'chdb-core=={VERSION}.*')"
        )


def _users_xml(account: Account) -> str:
    # poll_interval: how soon an idle connection notices, in seconds, that the server stops
    digest = hashlib.sha256(account.password.encode()).hexdigest()
    networks = "<networks><ip>127.0.0.1</ip><ip>::1</ip></networks><quota>default</quota>"
    return f"""<clickhouse>
  <profiles>
    <default><poll_interval>1</poll_interval></default>
    <engine><max_sessions_for_user>1</max_sessions_for_user></engine>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default><password></password>{networks}<profile>engine</profile>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT READ, WRITE ON FILE</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
      </grants>
    </default>
    <{account.name}><password_sha256_hex>{digest}</password_sha256_hex>{networks}<profile>default</profile>
      <access_management>1</access_management>
      <named_collection_control>1</named_collection_control>
    </{account.name}>
  </users>
</clickhouse>
"""


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
