"""Counters of a collector or a sink for Prometheus, over HTTP on a port of this machine.

    curl http://127.0.0.1:9464/metrics

`/` answers 200 while the process lives, for a health check.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Metrics:
    """Serves what `read` returns while the block runs; port 0 serves nothing."""

    def __init__(self, port: int, role: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._port, self._role, self._read = port, role, read
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        if self._port:
            answer = self.text

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    body = answer().encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                    """Nothing: a scrape every few seconds says nothing."""

            self._server = ThreadingHTTPServer(("0.0.0.0", self._port), Handler)  # noqa: S104 (a container's health check comes from outside)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def text(self) -> str:
        """The counters in Prometheus's text format."""
        lines = [f"live_trades_{self._role}_{name} {value}" for name, value in self._read().items()]
        return "\n".join([*lines, ""])
