"""A proxy that shows an insert late, as a replica does that lags behind the one that took it."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass, field

from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support.clickhouse.proxy import Proxy, full_statement, statement

_EMPTY_BLOCK = b"\x02\x00\x01\x00\x02\xff\xff\xff\xff\x00\x00\x00"  # ends a native statement
_END_OF_STREAM = b"\x05"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class LaggingProxy(Proxy):
    """The first statement that matches `late` is said to be done at once. It is done when `reads`
    more statements that match `until` have come."""

    late: str = "$^"
    until: str = ""
    reads: int = 3
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._due = threading.Event()
        self._is_late = self._forgotten = False
        super().__post_init__()

    def forget(self) -> None:
        """What is late never comes: the connection that would bring it is closed."""
        self._forgotten = True
        self._due.set()

    def _from_client(
        self, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        try:
            while data := client.recv(1 << 16):
                if data.startswith(b"POST ") and not data.partition(b"\r\n\r\n")[2]:
                    data += client.recv(1 << 16)  # the statement may come with what follows
                text = statement(data) if answered.is_set() else ""
                if text:
                    self._count(text)
                if text and not self._is_late and re.match(self.late, text):
                    self._is_late = True
                    self._hold(data, client, server, answered)
                    if data.startswith(b"POST "):
                        break
                    continue
                if text:
                    answered.clear()
                server.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    def _count(self, text: str) -> None:
        with self._lock:
            self.steps.append(text)
            if self._is_late and re.match(self.until, text):
                self.reads -= 1
                if self.reads <= 0:
                    self._due.set()

    def _hold(
        self, data: bytes, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        if not data.startswith(b"POST "):
            while not data.endswith(_EMPTY_BLOCK):
                data += client.recv(1 << 16)
            client.sendall(_END_OF_STREAM)
            self._start(self._later, full_statement(data))
            return
        while not data.endswith(b"0\r\n\r\n"):
            data += client.recv(1 << 16)
        self._unheard.add(server)
        client.sendall(_OK)
        client.shutdown(socket.SHUT_WR)
        self._due.wait(60)
        answered.clear()
        server.sendall(data)
        answered.wait(60)
        self.done.set()

    def _later(self, sql: str) -> None:
        self._due.wait(60)
        if self._forgotten:
            return
        with ClickHouseManager(self.server) as manager:
            manager.execute(sql)
        self.done.set()
