"""HTTP of the BigQuery sandbox: routes, authorisation, faults, errors as Google words them."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from scripts.sandbox.bigquery.api import Request
from scripts.sandbox.bigquery.auth import TokenError
from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.bigquery.faults import Fault

_PROJECT = r"/bigquery/v2/projects/(?P<project>[^/]+)"
_DATASET = rf"{_PROJECT}/datasets/(?P<dataset>[^/]+)"
_TABLE = rf"{_DATASET}/tables/(?P<table>[^/]+)"
_ROUTES = [
    ("POST", rf"{_PROJECT}/jobs", "jobs.insert"),
    ("GET", rf"{_PROJECT}/jobs/(?P<job>[^/]+)", "jobs.get"),
    ("POST", rf"{_PROJECT}/jobs/(?P<job>[^/]+)/cancel", "jobs.cancel"),
    ("POST", rf"{_PROJECT}/queries", "jobs.query"),
    ("GET", rf"{_PROJECT}/queries/(?P<job>[^/]+)", "jobs.getQueryResults"),
    ("GET", rf"{_PROJECT}/datasets", "datasets.list"),
    ("GET", _DATASET, "datasets.get"),
    ("GET", rf"{_DATASET}/tables", "tables.list"),
    ("GET", _TABLE, "tables.get"),
    ("GET", rf"{_TABLE}/data", "tabledata.list"),
    ("POST", "/token", "token"),
    ("GET", "/identity", "identity"),
]

#: Answers a request. Raises ApiError or TokenError.
Answer = Callable[[Request, str | None], bytes]


class Server(ThreadingHTTPServer):
    """A threaded server on a loopback port; keep-alive connections end with it. `refused` are
    the hosts that it was asked to connect to, as the proxy that it does not want to be."""

    daemon_threads = False
    block_on_close = True

    def __init__(
        self, port: int, answer: Answer, arrived: Callable[[str, str], list[Fault]]
    ) -> None:
        self.answer = answer
        self.arrived = arrived
        self.refused: list[str] = []
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

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
        """Print errors of the server itself; a client that hangs up is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet for a small answer: no wait for a delayed ACK
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_CONNECT(self) -> None:
        self.server.refused.append(self.path.partition(":")[0])
        self.send_error(403, "Nothing leaves loopback")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def _answer(self) -> None:
        status, cut, kind = 200, None, ""
        try:
            request = self._request()
            kind = request.kind
            faults = self.server.arrived(request.kind, request.target)
            for fault in faults:
                if fault.call:
                    fault.call()
            cut = next((fault.cut_after for fault in faults if fault.cut_after is not None), None)
            if error := next((fault.error for fault in faults if fault.error), None):
                raise error
            body = self.server.answer(request, self.headers.get("Authorization"))
        except ApiError as error:
            refusal = TokenError(error.reason, error.message).body
            body = json.dumps(refusal if kind == "token" else error.body).encode()
            status = error.status
        except TokenError as error:
            status, body = 400, json.dumps(error.body).encode()
        self._send(status, body, cut)

    def _request(self) -> Request:
        """The request, its body read. Raises ApiError notFound for an unknown path."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        for method, pattern, kind in _ROUTES:
            match = re.fullmatch(pattern, address.path)
            if match and method == self.command:
                names = {name: unquote(text) for name, text in match.groupdict().items()}
                body = dict(parse_qsl(sent.decode())) if kind == "token" else _parsed(sent)
                return Request(kind, names, dict(parse_qsl(address.query)), body)
        raise ApiError("notFound", f"The sandbox does not know {self.command} {address.path}")

    def _send(self, status: int, body: bytes, cut: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = self.close_connection or cut is not None


def _parsed(sent: bytes) -> dict[str, Any]:
    try:
        found = json.loads(sent) if sent else {}
    except ValueError as error:
        raise ApiError("invalid", "Invalid JSON payload received.") from error
    if not isinstance(found, dict):
        raise ApiError("invalid", "Invalid JSON payload received.")
    return found
