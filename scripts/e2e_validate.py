"""One hour of Deribit, of the sandbox or with --real, into a local ClickHouse, and what is there.

    python -m scripts.e2e_validate [--real] [--currency BTC]

The hour is swept and proven as a load does it and published. Then it is asked for again, backwards
by instrument, and both tables are compared with that; the checks of Deribit's trades follow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

import pyarrow as pa

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.marts import checks
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.days import Day, read_day
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import Page, numbers
from pipelines.providers.deribit.settings import DeribitSettings, configuration
from scripts.sandbox.deribit import local
from scripts.sandbox.deribit.command import sandbox

HOUR = timedelta(hours=1)
INFORMS = "deribit_known_holes"  # what the exchange does not have is no fault of ours


def main(
    arguments: Sequence[str] | None = None,
    server: ClickHouseConfig | None = None,
    now: datetime | None = None,
) -> int:
    """0 when all is the same; a `server` is used instead of one that is started.

    `now` is the sandbox's clock; None is the wall's.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", action="store_true", help="ask the configured hosts")
    parser.add_argument("--currency", default="BTC")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        settings = configuration()
        if not options.real:
            made = sandbox(trades=5_000, currencies=(options.currency,), now=now)
            served = stack.enter_context(made)
            settings = DeribitSettings(
                api_url=f"{served.url}/api/v2",
                history_url=f"{served.url}/history/api/v2",
                requests_per_second=10_000,
                backoff_seconds=0.005,
            )
        config = stack.enter_context(local.warehouse(server))
        failed = list(_validate(Market(settings), settings, options.currency, config))
    for failure in failed:
        print(f"wrong: {failure}")
    print("wrong" if failed else "all the same")
    return int(bool(failed))


def _validate(
    market: Market, settings: DeribitSettings, currency: str, config: ClickHouseConfig
) -> Iterator[str]:
    start = (market.now() - 2 * HOUR).replace(minute=0, second=0, microsecond=0)
    span = Span(milliseconds(start), milliseconds(start + HOUR) - 1)
    day = read_day(market, settings, currency, span, market.now(), {}, lambda rows: None)
    asked = market.calls
    print(f"{currency} from {start:%Y-%m-%d %H:%M} UTC: {day.rows:,} trades of "
          f"{len(day.last):,} instruments, {len(day.holes):,} holes, {asked:,} calls")  # fmt: skip
    size = local.publish(config, day, currency, start.date())
    print(f"published: {size:,} bytes of parquet")
    again = _by_instrument(market, day, span)
    print(f"by instrument and time: {len(again):,} trades, {market.calls - asked:,} calls")
    yield from _compare(config, again, start)


def _compare(config: ClickHouseConfig, again: set[str], start: datetime) -> Iterator[str]:
    with connect(config) as client:
        for table in local.TABLES:
            ids = [row[0] for row in client.query(f"select trade_id from {table}").result_rows]
            print(f"{table}: {len(ids):,} rows, {len(set(ids)):,} trades")
            if len(ids) != len(set(ids)):
                yield f"{table} has trades twice"
            if missing := again - set(ids):
                yield f"{table} is missing {len(missing)} trades: {', '.join(sorted(missing)[:5])}"
            if others := set(ids) - again:
                yield f"{table} has {len(others)} others: {', '.join(sorted(others)[:5])}"
        outside = client.query(
            "select count() from trades where traded_at < {from:DateTime64(6, 'UTC')} "
            "or traded_at >= {to:DateTime64(6, 'UTC')}",
            parameters={"from": start, "to": start + HOUR},
        ).result_rows[0][0]
        if outside:
            yield f"trades has {outside} of another hour"
        names = [name for name in checks.list_checks() if name.startswith("deribit_")]
        for result in checks.run(checks.ClickHouseConnection(client, config), names):
            print(f"{result.name}: {len(result.rows)} rows")
            if result.rows and result.name != INFORMS:
                yield f"{result.name}: {result.rows[0]}"


def _by_instrument(market: Market, day: Day, span: Span) -> set[str]:
    found: set[str] = set()
    for host, part in market.parts(span):
        for name in day.last:
            left = part
            while True:
                page = market.moment(host, name, left, "desc")
                found |= _ids(page, left.start)
                if not page.has_more:
                    break
                oldest = int(page.timestamps().min())
                if oldest >= left.end:  # more in one millisecond than a page holds
                    found |= _by_number(market, host, name, page, oldest)
                    oldest -= 1
                left = Span(left.start, oldest)
    return found


def _by_number(market: Market, host: Host, name: str, page: Page, moment: int) -> set[str]:
    """The rest of one millisecond, backwards by sequence number."""
    found: set[str] = set()
    while page.trades.num_rows and int(page.timestamps().min()) >= moment:
        last = int(numbers(page.trades, "trade_seq").min()) - 1
        page = market.sequence(host, name, None, last, sorting="desc")
        found |= _ids(page, moment)
    return found


def _ids(page: Page, start: int) -> set[str]:
    return set(page.trades.filter(pa.array(page.timestamps() >= start))["trade_id"].to_pylist())


if __name__ == "__main__":
    sys.exit(main())
