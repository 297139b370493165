"""The ECB's file of reference rates on loopback, from a deterministic table.

    python -m scripts.sandbox fx [--port 9061]

Business days only, newest first, a trailing comma and N/A as the ECB writes them. Rates go around
a base by less than three percent, by the day alone.
"""

from __future__ import annotations

import argparse
import io
import math
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from scripts.sandbox.http import Handler, LoopbackServer

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


class FxServer(LoopbackServer):
    """A server in a thread of its own; `content` and `status` are what it answers."""

    def __init__(self, content: bytes, port: int = 0) -> None:
        self.content, self.status = content, 200
        super().__init__(_Handler, port)

    @property
    def url(self) -> str:
        """For sources.fx.url."""
        return f"{self.address}{PATH}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the commands find it."""
        return {"SOURCES__FX__URL": self.url}


class _Handler(Handler[FxServer]):
    def serve(self) -> None:
        if self.path == PATH:
            self.send(self.owner.status, self.owner.content, {})
        else:
            self.send(404, b"not found", {})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, default=9061)


def main(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    content = archive(datetime.now(UTC).date(), bases=BASES | MORE)
    with FxServer(content, options.port) as server:
        for name, value in server.environ.items():
            print(f"export {name}={value}")
        server.wait()
    return 0
