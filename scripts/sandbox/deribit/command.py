"""Deribit's public API with made-up trades, on loopback, until it is interrupted."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from scripts.sandbox.deribit.server import FAULTS, Faults, Sandbox
from scripts.sandbox.deribit.tape import Shape, make


def sandbox(
    days: int = 4,
    trades: int = 20_000,
    currencies: tuple[str, ...] = ("BTC", "ETH"),
    faults: float = 0.02,
    port: int = 0,
    now: datetime | None = None,
) -> Sandbox:
    """The demo's sandbox: the last days until tomorrow, with a run, a hole and some faults.

    `now` is its clock, standing; None is the wall's.
    """
    first = ((now or datetime.now(UTC)) - timedelta(days=days - 1)).date()
    shape = Shape(trades_per_day=trades, run=2_500, holes=1)
    tape = make(currencies, first, days + 1, shape)
    kinds = [kind for kind in FAULTS if kind != "slow"]
    stands = None if now is None else round(now.timestamp() * 1000)
    return Sandbox(tape, stands, Faults(kinds, faults), port)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much, and where."""
    parser.add_argument("--days", type=int, default=4, help="days until today (default: 4)")
    parser.add_argument("--trades", type=int, default=20_000, help="a day and currency")
    parser.add_argument("--port", type=int, default=8765, help="of loopback (default: 8765)")
    parser.add_argument("--faults", type=float, default=0.02, help="share of answers that fail")


def main(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; prints the variables to set."""
    with sandbox(options.days, options.trades, faults=options.faults, port=options.port) as served:
        for name, value in served.environ.items():
            print(f"export {name}={value}", flush=True)
        served.wait()
    return 0
