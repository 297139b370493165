"""A gate before a ClickHouse server that kills a process as it sends its n-th packet.

What a process has told the server when it dies is what counts: every statement and every block of
rows is a packet, so each moment between two of them is a kill point.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pipelines.clickhouse.config import ClickHouseConfig
from tests.kill_harness import Harness


class KillableHarness(Harness):
    """A harness whose running command can be killed from outside."""

    def kill(self) -> None:
        """`kill -9` the command that runs."""
        pid = self._process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)


class Gate:
    """Both ports of a server on loopback. `packets` counts those of clients since `count`."""

    def __init__(self, server: ClickHouseConfig) -> None:
        self.packets, self._kill_at = 0, 0
        self._kill: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        ports = (server.port, server.http_port)
        self._listeners = [self._listen((server.host, port)) for port in ports]
        native, http = (listener.getsockname()[1] for listener in self._listeners)
        self.environ = {"CLICKHOUSE_PORT": str(native), "CLICKHOUSE_HTTP_PORT": str(http)}

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.close()

    def count(self, kill_at: int = 0, kill: Callable[[], None] = lambda: None) -> None:
        """From here; before packet `kill_at` (the first is 1) gets through, `kill` is called."""
        self.packets, self._kill_at, self._kill = 0, kill_at, kill

    def _listen(self, server: tuple[str, int]) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, args=(listener, server), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket, server: tuple[str, int]) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                client, _ = listener.accept()
                upstream = socket.create_connection(server)
                for end in (client, upstream):  # packets go on as they come
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pump in ((client, upstream, self._passes), (upstream, client, bool)):
                    threading.Thread(target=_pump, args=pump, daemon=True).start()

    def _passes(self, packet: bytes) -> bool:
        with self._lock:
            self.packets += bool(packet)
            if packet and self.packets == self._kill_at:
                self._kill()
                return False
        return bool(packet)


def _pump(source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool]) -> None:
    with suppress(OSError):
        while passes(packet := source.recv(1 << 16)):
            target.sendall(packet)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        source.close()
