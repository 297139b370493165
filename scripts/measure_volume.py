"""What one day of Deribit is: trades, calls, seconds, bytes as parquet; projected to a range.

    python scripts/measure_volume.py 2026-10-31 --currency BTC --from 2019-01-01

Reads the configured hosts (SOURCES__DERIBIT__*), writes nothing that stays.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

# a script's path starts at its own folder
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.deribit.calendar import start_of
from pipelines.deribit.days import RAW, read_day
from pipelines.deribit.market import Market, milliseconds
from pipelines.deribit.settings import configuration
from pipelines.deribit.sweep import day_span
from pipelines.landing import write_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("--currency", default="BTC")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, help="projected from here")
    options = parser.parse_args(arguments)
    settings = configuration()
    market = Market(settings)
    span = day_span(milliseconds(start_of(options.day)), milliseconds(market.now()))
    started, before = time.perf_counter(), market.calls
    found = read_day(market, settings, options.currency, span, market.now(), {}, lambda rows: None)
    seconds, calls = time.perf_counter() - started, market.calls - before
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trades.parquet"
        rows = write_rows(path, RAW, found.slices())
        size = path.stat().st_size
    print(f"{options.currency} {options.day}: {rows:,} trades, {calls:,} calls, {seconds:.1f} s")
    print(f"in memory {found.trades.nbytes / 1e6:,.1f} MB, parquet {size / 1e6:,.2f} MB")
    if options.first and rows:
        days = (options.day - options.first).days + 1
        hours = days * calls / settings.requests_per_second / 3600
        print(
            f"{days:,} such days: {days * rows:,} trades, {days * size / 1e9:,.1f} GB of parquet, "
            f"{days * calls:,} calls, {hours:,.1f} h at {settings.requests_per_second:g} a second"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
