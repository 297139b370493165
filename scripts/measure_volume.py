"""What one day of Deribit is: trades, calls, seconds, bytes; projected to a range of days.

    python -m scripts.measure_volume 2026-10-31 --currency BTC --from 2019-01-01

Reads the configured hosts (SOURCES__DERIBIT__*) and publishes into a ClickHouse that it starts for
itself; nothing of both stays.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import date

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.providers.deribit.calendar import start_of
from pipelines.providers.deribit.days import read_day
from pipelines.providers.deribit.market import Market, milliseconds
from pipelines.providers.deribit.settings import configuration
from pipelines.providers.deribit.sweep import day_span
from scripts.sandbox.deribit import local


def main(arguments: Sequence[str] | None = None, server: ClickHouseConfig | None = None) -> int:
    """Measure and print; a `server` is used instead of one that is started."""
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
    seconds, calls, rows = time.perf_counter() - started, market.calls - before, found.rows
    print(f"{options.currency} {options.day}: {rows:,} trades, {calls:,} calls, {seconds:.1f} s")
    sizes = {"as sent": market.bytes, "in memory": int(found.trades.nbytes)}
    with local.warehouse(server) as config:
        sizes["raw parquet"] = local.publish(config, found, options.currency, options.day)
        sizes |= {f"ClickHouse {k}": v for k, v in local.bytes_of(config).items()}
    for name, size in sizes.items():
        print(f"{name}: {size / 1e6:,.2f} MB, {size / max(rows, 1):,.0f} bytes a trade")
    if options.first:
        days = (options.day - options.first).days + 1
        hours = days * calls / settings.requests_per_second / 3600
        pace = f"{hours:,.1f} h at {settings.requests_per_second:g} a second"
        print(f"{days:,} such days: {days * rows:,} trades, {days * calls:,} calls, {pace}")
        print(", ".join(f"{name} {days * size / 1e9:,.2f} GB" for name, size in sizes.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
