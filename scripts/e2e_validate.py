"""One hour of Deribit, of the sandbox or with --real, against what was asked another way.

    python scripts/e2e_validate.py [--real] [--currency BTC]

The hour is swept and proven as a load does it, then swept again backwards by instrument, and the
two are compared trade by trade.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

# a script's path starts at its own folder
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.deribit.days import Day, read_day
from pipelines.deribit.market import Market, Span, milliseconds
from pipelines.deribit.settings import DeribitSettings, configuration
from scripts.sandbox_deribit import sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when both are the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", action="store_true", help="ask Deribit itself")
    parser.add_argument("--currency", default="BTC")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        settings = configuration()
        if not options.real:
            served = stack.enter_context(sandbox(trades=5_000, currencies=(options.currency,)))
            settings = DeribitSettings(
                api_url=f"{served.url}/api/v2",
                history_url=f"{served.url}/history/api/v2",
                requests_per_second=10_000,
                backoff_seconds=0.005,
            )
        return _validate(Market(settings), settings, options.currency)


def _validate(market: Market, settings: DeribitSettings, currency: str) -> int:
    end = market.now() - timedelta(hours=1)
    span = Span(milliseconds(end - timedelta(hours=1)), milliseconds(end))
    day = read_day(market, settings, currency, span, market.now(), {}, lambda rows: None)
    loaded = set(day.trades["trade_id"].to_pylist())
    again = _by_instrument(market, day, span)
    print(f"{currency}: {len(loaded):,} trades in an hour, {len(day.last):,} instruments")
    print(f"{len(day.holes)} holes, {market.calls:,} calls")
    print(f"by instrument and time: {len(again):,} trades")
    if day.rows == len(loaded) and loaded == again:
        print("the same")
        return 0
    print(f"only swept: {sorted(loaded - again)[:5]}")
    print(f"only by instrument: {sorted(again - loaded)[:5]}")
    return 1


def _by_instrument(market: Market, day: Day, span: Span) -> set[str]:
    found: set[str] = set()
    for host, part in market.parts(span):
        for name in day.last:
            left = part
            while True:
                page = market.moment(host, name, left, "desc")
                found |= set(page.trades["trade_id"].to_pylist())
                oldest = int(page.timestamps().min()) if page.trades.num_rows else left.start
                if not page.has_more or oldest >= left.end:
                    break
                left = Span(left.start, oldest)
    return found


if __name__ == "__main__":
    sys.exit(main())
