"""S3 on loopback for tests: moto's server, and a proxy in front of it that fails on command.

The proxy speaks plain HTTP, answers faults in S3's own XML, counts requests by kind and leaves
everything else to moto. Keys are matched as fnmatch patterns over the key without its bucket
(`*Manifest.json`, `*`); a listing has the key ''.

    with S3Proxy(moto_url) as proxy:
        proxy.fail("*.parquet", 503, "SlowDown", times=2)
        proxy.cut("*-00002.snappy.parquet", after_bytes=100)
        proxy.before_get("*-00001*", lambda: deliver_again(), nth=1)
        client = boto3.client("s3", endpoint_url=proxy.endpoint_url, …)
        assert proxy.counts["GET"] == 3
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, unquote, urlsplit

from moto.server import ThreadedMotoServer

from scripts.sandbox.http import Handler, LoopbackServer

#: What S3 says with each error code.
MESSAGES = {
    "AccessDenied": "Access Denied",
    "InternalError": "We encountered an internal error. Please try again.",
    "SlowDown": "Please reduce your request rate.",
    "InvalidObjectState": "The operation is not valid for the object's storage class",
    "KMS.DisabledException": "arn:aws:kms:eu-central-1:111122223333:key/1f2e is disabled.",
}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@contextmanager
def moto_s3() -> Iterator[str]:
    """moto's server on a free loopback port while the block runs; yields its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass
class Fault:
    """What happens to requests of these kinds on these keys: the matches numbered
    `after + 1 … after + times` (all of them from there when `times` is None)."""

    pattern: str
    kinds: frozenset[str]
    after: int = 0
    times: int | None = None
    status: int = 0
    code: str = ""
    message: str = ""
    cut_after: int | None = None
    call: Callable[[], object] | None = None
    matched: int = 0

    def strikes(self, kind: str, key: str) -> bool:
        """Count this request when it matches, and say whether the fault is on for it."""
        if kind not in self.kinds or not fnmatchcase(key, self.pattern):
            return False
        self.matched += 1
        number = self.matched - self.after
        return number > 0 and (self.times is None or number <= self.times)


@dataclass
class S3Proxy(LoopbackServer):
    """A loopback HTTP proxy to `upstream`. `requests` lists (kind, key) in order of arrival;
    kinds are LIST, HEAD, GET, PUT, DELETE and POST."""

    upstream: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        super().__init__(_Handler)
        self.endpoint_url = self.address

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind came, those that were failed included."""
        return Counter(kind for kind, _ in self.requests)

    def reset(self) -> None:
        """No faults, no counts."""
        with self._lock:
            self.requests.clear()
            self.faults.clear()

    def fail(
        self,
        pattern: str = "*",
        status: int = 403,
        code: str = "AccessDenied",
        *,
        kinds: str = "LIST HEAD GET",
        after: int = 0,
        times: int | None = None,
        message: str = "",
    ) -> None:
        """Answer this error: 403 AccessDenied, 500 InternalError, 503 SlowDown or any other."""
        fault = Fault(pattern, _kinds(kinds), after, times, status, code, message)
        self._add(fault)

    def cut(self, pattern: str, after_bytes: int, *, after: int = 0, times: int | None = 1) -> None:
        """End the connection after so many bytes of a GET's body, its length being promised."""
        self._add(Fault(pattern, _kinds("GET"), after, times, cut_after=after_bytes))

    def before_get(self, pattern: str, call: Callable[[], object], *, nth: int = 1) -> None:
        """Call once, just before the nth GET that matches is passed on. The call may use S3,
        through this proxy too."""
        self._add(Fault(pattern, _kinds("GET"), nth - 1, 1, call=call))

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self.faults.append(fault)

    def arrived(self, kind: str, key: str) -> list[Fault]:
        """Record a request; the faults that are on for it."""
        with self._lock:
            self.requests.append((kind, key))
            return [fault for fault in self.faults if fault.strikes(kind, key)]


class _Handler(Handler[S3Proxy]):
    methods = ("GET", "HEAD", "PUT", "POST", "DELETE")

    def serve(self) -> None:
        body = self._request_body()
        key = _key(self.path)
        faults = self.owner.arrived(_kind(self.command, self.path, key), key)
        for fault in faults:
            if fault.call:
                fault.call()
        error = next((fault for fault in faults if fault.status), None)
        if error:
            self._send_error(error, key)
            return
        cut = next((f.cut_after for f in faults if f.cut_after is not None), None)
        self._forward(body, cut)

    def _request_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self, body: bytes, cut: int | None) -> None:
        upstream = urlsplit(self.owner.upstream)
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=60)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            headers["Content-Length"] = str(len(body))
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            received = response.read()
            length = response.headers.get("Content-Length") or str(len(received))
            self.send_response(response.status)
            for name, value in response.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(received if cut is None else received[:cut])
            self.close_connection = self.close_connection or cut is not None
        finally:
            connection.close()

    def _send_error(self, fault: Fault, key: str) -> None:
        message = fault.message or MESSAGES.get(fault.code, fault.code)
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{fault.code}</Code><Message>{message}</Message>"
            f"<Key>{key}</Key><RequestId>0A1B2C3D4E5F6071</RequestId>"
            "<HostId>loopback</HostId></Error>"
        ).encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("x-amz-request-id", "0A1B2C3D4E5F6071")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def _kinds(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _key(path: str) -> str:
    """The key in a path-style URL, '' for the bucket itself."""
    return unquote(urlsplit(path).path.lstrip("/").partition("/")[2])


def _kind(method: str, path: str, key: str) -> str:
    listing = "list-type" in parse_qs(urlsplit(path).query) or not key
    return "LIST" if method == "GET" and listing else method
