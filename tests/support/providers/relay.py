"""A port on loopback in front of another, whose connections break in mid-answer on command."""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType

_CHUNK = 1 << 14


class Relay:
    """Each connection ends after as many bytes to the client as `breaks` says next, later ones
    never."""

    def __init__(self, port: int, breaks: list[int]) -> None:
        self._port = port
        self._breaks = deque(breaks)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    @property
    def left(self) -> int:
        """How many connections are still to be broken."""
        return len(self._breaks)

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in [self._listener, *self._open]:
            _end(each)
        for thread in self._threads:
            thread.join()

    def _start(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            most = self._breaks.popleft() if self._breaks else None
            self._start(_pass, client, server, None)
            self._start(_pass, server, client, most)


def _pass(source: socket.socket, target: socket.socket, most: int | None) -> None:
    """Everything, or `most` bytes; then both are closed."""
    with suppress(OSError):
        while most is None or most > 0:
            data = source.recv(_CHUNK if most is None else min(_CHUNK, most))
            if not data:
                break
            target.sendall(data)
            most = None if most is None else most - len(data)
    _end(source)
    _end(target)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
