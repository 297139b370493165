"""Ports on loopback in front of a ClickHouse server, at which a test acts in mid-conversation.

Both protocols go through it and nobody has to know: a statement is what a client sends after the
server has answered, told by its first bytes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

from pipelines.clickhouse.server.config import ClickHouseConfig

_KEYWORDS = rb"create|alter|insert|drop|exchange|select|show|describe|exists|with|delete|truncate"
_STATEMENT = re.compile(rb"(?:" + _KEYWORDS + rb")\b", re.IGNORECASE)
_CHUNKED = re.compile(rb"^POST .*\r\ntransfer-encoding: chunked\r\n", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(rb"^[0-9a-f]+\r\n", re.IGNORECASE)  # of a chunk
_QUERY = 1  # the first byte of a native packet that brings a statement
_CHUNK = 1 << 16


#: What becomes of the statement at which a test acts: it never arrives; it waits until the act is
#: over; it is on its way when the act begins, and its client is cut off after; it arrives, and its
#: client never hears of it; it never arrives, and its client waits.
When = Literal["instead", "before", "during", "unheard", "swallowed"]


@dataclass
class Proxy:
    """`config` leads through it. `steps` are the statements since `watch`."""

    server: ClickHouseConfig
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._unheard: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.watch()
        self._listeners = [self._listen(self.server.port), self._listen(self.server.http_port)]
        native, http = (listener.getsockname()[1] for listener in self._listeners)
        self.config = replace(self.server, port=native, http_port=http)

    def watch(
        self,
        at: int | str = 0,
        act: Callable[[], None] = lambda: None,
        when: When = "instead",
    ) -> None:
        """Forget what was seen, and `act` once at a statement: the n-th, or the first that matches
        a pattern. 0 is none."""
        with self._lock:
            self.steps, self._at, self._act, self._when = [], at, act, when

    def close(self) -> None:
        """Close every port and connection."""
        for one in [*self._listeners, *self._open]:
            _close(one)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept, listener, port)
        return listener

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((self.server.host, port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            answered = threading.Event()
            answered.set()
            self._start(self._from_client, client, server, answered)
            self._start(self._from_server, server, client, answered)

    def _from_client(
        self, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        try:
            while data := client.recv(_CHUNK):
                if _CHUNKED.search(data) and not data.partition(b"\r\n\r\n")[2]:
                    data += client.recv(_CHUNK)  # the statement may come with what follows
                if answered.is_set() and (text := statement(data)):
                    answered.clear()
                    if self._is_time(text):
                        if self._when == "during":
                            server.sendall(data)
                        if self._when == "unheard":
                            self._unheard.add(server)
                        self._act()
                        while self._when == "swallowed" and client.recv(_CHUNK):
                            pass
                        if self._when not in ("before", "unheard"):
                            break
                server.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    def _from_server(
        self, server: socket.socket, client: socket.socket, answered: threading.Event
    ) -> None:
        try:
            while data := server.recv(_CHUNK):
                answered.set()
                if server not in self._unheard:
                    client.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    def _end(self, *sockets: socket.socket) -> None:
        for one in sockets:
            _close(one)
            self._open.discard(one)

    def _is_time(self, text: str) -> bool:
        with self._lock:
            self.steps.append(text)
            if isinstance(self._at, int):
                return len(self.steps) == self._at
            found = re.match(self._at, text) is not None
            self._at = 0 if found else self._at
            return found


@dataclass
class Victim:
    """A process whose number is known only once it runs."""

    _numbers: queue.Queue[int] = field(default_factory=queue.Queue)

    def is_(self, pid: int) -> None:
        """For Harness.run(on_start=…)."""
        self._numbers.put(pid)

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self._numbers.get(timeout=60), signal.SIGKILL)


def statement(data: bytes) -> str:
    """The statement that a client's first bytes bring, '' when it is something else."""
    if data.startswith((b"POST ", b"GET ")):
        asked = parse_qs(urlsplit(data.split(b" ", 2)[1].decode()).query)
        body = _SIZE.sub(b"", data.partition(b"\r\n\r\n")[2]).decode(errors="replace")
        text = asked["query"][0] if "query" in asked else body or "HTTP"
    elif data[0] == _QUERY:
        text = _native(data).decode(errors="replace")
    else:
        return ""
    return " ".join(text.split())[:200]


def full_statement(data: bytes) -> str:
    """The whole statement of a client that speaks the native protocol."""
    return _native(data).decode()


def _native(data: bytes) -> bytes:
    """The first text that begins like a statement and is as long as the number before it says."""
    for found in _STATEMENT.finditer(data):
        for start in (found.start() - 1, found.start()):  # some begin on a new line
            length, place = data[start - 1], start - 2
            # seven bits a byte, the lowest first; only the last has no 8th
            while data[place] >= 0x80:
                length, place = length << 7 | data[place] & 0x7F, place - 1
            text = data[start : start + length]
            if b"\0" in text:  # settings, whose names may end like a statement begins
                continue
            if len(text) == length > len(found[0]) and text.strip().startswith(found[0]):
                return text
    return b"?"


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        one.shutdown(socket.SHUT_RDWR)
    one.close()
