"""The ECB's file of reference rates on loopback, from a deterministic table.

    python -m scripts.sandbox fx [--port 9061]

Business days only, newest first, a trailing comma and N/A as the ECB writes them. Rates go around
a base by less than three percent, by the day alone.
"""

from __future__ import annotations

import argparse
import io
import math
import threading
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATH = "/stats/eurofxref/eurofxref-hist.zip"
#: Units for one euro around which the rates go; RUB has had none since 2022.
BASES = {"USD": 1.085, "JPY": 162.3, "CHF": 0.941, "GBP": 0.845, "ISK": 149.7, "SEK": 11.32}
#: The ECB has none of these: for a demonstration in which no rate is missing.
MORE = {"KWD": 0.333, "UGX": 4_010.0}
FIRST = date(2025, 1, 1)


def rates(day: date, bases: Mapping[str, float] = BASES) -> Mapping[str, str]:
    """The rates of a business day, with five significant digits."""
    turn = day.toordinal() / 40
    return {
        name: f"{base * (1 + 0.03 * math.sin(turn + place)):.5g}"
        for place, (name, base) in enumerate(bases.items())
    }


def archive(until: date, first: date = FIRST, bases: Mapping[str, float] = BASES) -> bytes:
    """The ZIP with every business day of a range, both inclusive."""
    lines = [f"Date,{','.join(bases)},RUB,"]
    day = until
    while day >= first:
        if day.weekday() < 5:
            lines.append(f"{day},{','.join(rates(day, bases).values())},N/A,")
        day -= timedelta(days=1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        info = zipfile.ZipInfo("eurofxref-hist.csv")  # without a clock: the same bytes every time
        file.writestr(info, "\n".join(lines) + "\n")
    return packed.getvalue()


class FxServer:
    """A server in a thread of its own; `content` and `status` are what it answers."""

    def __init__(self, content: bytes, port: int = 0) -> None:
        self.content, self.status = content, 200
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """For sources.fx.url."""
        return f"http://127.0.0.1:{self._http.server_address[1]}{PATH}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the commands find it."""
        return {"SOURCES__FX__URL": self.url}

    def __enter__(self) -> FxServer:
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
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: FxServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        found = self.path == PATH
        body = owner.content if found else b"not found"
        self.send_response(owner.status if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, default=9061)


def main(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    content = archive(datetime.now(UTC).date(), bases=BASES | MORE)
    with FxServer(content, options.port) as server:
        for name, value in server.environ.items():
            print(f"export {name}={value}")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0
