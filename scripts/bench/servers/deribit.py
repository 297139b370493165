"""A Deribit sandbox with many trades, in a process of its own, which tells what it has answered.

    python -m scripts.bench.servers.deribit TRADES DAYS

Prints a line of JSON when it is ready; for each line on stdin, one with the seconds of CPU that it
has spent so far and the requests since the line before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from scripts.sandbox.deribit.server import Answer, Sandbox
from scripts.sandbox.deribit.tape import Shape, Tape, make

FIRST = date(2026, 10, 1)


class Recorder(Sandbox):
    """Remembers what it was asked."""

    def __init__(self, tape: Tape, now: int) -> None:
        super().__init__(tape, now)
        self.asked: list[str] = []

    def answer(self, path: str) -> Answer:
        """Status, headers and body of one GET."""
        self.asked.append(path)
        return super().answer(path)


def main(arguments: Sequence[str]) -> int:
    """Serve until stdin ends."""
    trades, days = (int(argument) for argument in arguments)
    tape = make(["BTC"], FIRST, days, Shape(trades_per_day=trades // days))
    over = datetime(FIRST.year, FIRST.month, FIRST.day, 4, tzinfo=UTC) + timedelta(days=days)
    server = Recorder(tape, round(over.timestamp() * 1000))
    with server:
        last = FIRST + timedelta(days=days - 1)
        told = {"url": server.url, "environ": server.environ, "trades": len(tape.rows)}
        print(json.dumps(told | {"first": str(FIRST), "last": str(last)}), flush=True)
        for _ in sys.stdin:
            asked, server.asked = server.asked, []
            print(json.dumps({"seconds": time.process_time(), "asked": asked}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
