"""HTTP on loopback for stand-ins: a server in a thread of its own, for as long as a block runs."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Owner = TypeVar("Owner")


class LoopbackServer:
    """A stand-in. Entering it starts the server, leaving it ends it and its connections."""

    def __init__(self, handler: type[Handler[Any]], port: int = 0) -> None:
        self._http = _Server(port, handler, self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()

    @property
    def address(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def wait(self) -> None:
        """Serve until the process is interrupted."""
        with suppress(KeyboardInterrupt):
            self._thread.join()


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that those kept alive can be ended with it."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, port: int, handler: type[Handler[Any]], owner: object) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End idle keep-alive connections, whose threads server_close() would wait for."""
        for request in list(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors of the stand-in itself; a client may hang up at any time."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler, Generic[Owner]):
    """Answers one connection's requests, in `serve`; `owner` is the stand-in that it belongs to."""

    methods: tuple[str, ...] = ("GET",)

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet for a small answer: no wait for a delayed ACK
    disable_nagle_algorithm = True
    server: _Server

    @property
    def owner(self) -> Owner:
        """The stand-in for a provider that this request came to."""
        found: Owner = self.server.owner  # type: ignore[assignment]
        return found

    def do_GET(self) -> None:
        """A request of any method; one that is not in `methods` is refused."""
        if self.command in self.methods:
            self.serve()
        else:
            self.send_error(501, f"Unsupported method ({self.command!r})")

    # the base class's names
    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        """Say at once that a client that asks first may send its body."""
        may_send = super().handle_expect_100()
        self.wfile.flush()
        return may_send

    def serve(self) -> None:
        """Answer one request."""
        raise NotImplementedError

    def send(
        self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None
    ) -> None:
        """A whole answer; with `cut` the connection ends after that many bytes of its body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = self.close_connection or cut is not None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Nothing: requests are counted where a test asks for them."""
