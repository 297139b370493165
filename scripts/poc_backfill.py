"""One resumable backfill of Deribit, measured, and what it would cost for years, here and on AWS.

    python -m scripts.poc_backfill 2026-10-01 2026-10-03 --dir data/backfill [--years 5] [--real]

Each day is read, proven and written to <dir>/<day>.parquet; a day whose measurement is in the
folder is not read again. Without --real the days come from the sandbox. Costs are on paper: by the
measured seconds, memory and bytes, and the list prices in [prices].
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.core.landing import write_rows
from pipelines.core.partition import UserError
from pipelines.providers.deribit.calendar import start_of
from pipelines.providers.deribit.days import RAW, read_day
from pipelines.providers.deribit.market import Market, milliseconds
from pipelines.providers.deribit.settings import DeribitSettings, configuration
from pipelines.providers.deribit.sweep import day_span
from scripts.costs.prices import Prices, prices
from scripts.costs.published import show, write
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Shape, make

_COLUMNS = ("where", "vCPU", "GB", "hours", "USD")
_LAMBDA_SECONDS = 900


@dataclass(frozen=True)
class Measured:
    """What one day took. `memory` is the process's peak, in bytes."""

    day: str
    trades: int
    requests: int
    received: int
    written: int
    seconds: float
    cpu: float
    memory: int


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when a day cannot be read: the days before it stay measured."""
    options = _parser().parse_args(arguments)
    options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            settings = configuration() if options.real else _sandbox(stack, options)
            found = [_measured(settings, options, day) for day in _days(options)]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _report(found, options, prices())
    return 0


def _report(found: Sequence[Measured], options: argparse.Namespace, at: Prices) -> None:
    totals = {n: sum(getattr(each, n) for each in found) for n in ("trades", "requests", "received",
              "written", "seconds", "cpu")}  # fmt: skip
    memory = max(each.memory for each in found)
    print(
        f"{len(found)} days: {totals['trades']:,} trades, {totals['requests']:,} requests, "
        f"{totals['received'] / 1e6:,.2f} MB received, {totals['written'] / 1e6:,.2f} MB written, "
        f"{totals['seconds']:.1f} s, {totals['cpu']:.1f} s CPU, {memory / 1e6:,.0f} MB memory"
    )
    scale = options.years * 365.25 / len(found)
    rows = list(on_paper(totals["seconds"] * scale, memory, at))
    show(f"{options.years:g} years by these days", _COLUMNS, rows, _COLUMNS[1:])
    stored = totals["written"] * scale / 1e9
    print(f"storage: {stored:,.2f} GB, {stored * at.storage_gb_month:,.2f} USD a month")
    document = {"days": [asdict(each) for each in found], "years": options.years,
                "on_paper": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]}  # fmt: skip
    write(options.json, document)


def on_paper(
    seconds: float, memory: int, at: Prices
) -> Iterator[tuple[str, float, float, float, float]]:
    """where, vCPU, GB, hours, USD. The work waits for the API, so more CPU is not faster."""
    hours, needed = seconds / 3600, memory / 1e9
    size = max(1.0, needed * 1.5)  # room for a day that is busier
    yield ("this machine", 0, needed, hours, 0.0)
    yield (f"Lambda, days of at most {_LAMBDA_SECONDS} s", size / 1.769, size, hours,
           seconds * size * at.lambda_gb_second)  # fmt: skip
    batch = hours * (1 * at.vcpu_hour + max(2.0, size) * at.memory_gb_hour)
    yield ("Batch on Fargate", 1, max(2.0, size), hours, batch)
    yield ("Batch on Spot", 1, max(2.0, size), hours, batch * at.spot_share)


def _measured(settings: DeribitSettings, options: argparse.Namespace, day: date) -> Measured:
    """The day's measurement: noted, else made now."""
    noted = options.dir / f"{day}.json"
    if noted.exists():
        print(f"{day}: measured before")
        return Measured(**json.loads(noted.read_text(encoding="utf-8")))
    market = Market(settings)
    began, cpu = time.perf_counter(), time.process_time()
    read_at = market.now()
    span = day_span(milliseconds(start_of(day)), milliseconds(read_at))
    found = read_day(market, settings, options.currency, span, read_at, {}, lambda rows: None)
    path = options.dir / f"{day}.parquet"
    write_rows(path, RAW, found.slices())
    measured = Measured(
        day=day.isoformat(),
        trades=found.rows,
        requests=market.calls,
        received=market.bytes,
        written=path.stat().st_size,
        seconds=round(time.perf_counter() - began, 3),
        cpu=round(time.process_time() - cpu, 3),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    partial = noted.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    partial.replace(noted)  # last: what is noted is whole
    print(
        f"{day}: {measured.trades:,} trades, {measured.requests:,} requests, {measured.seconds} s"
    )
    return measured


def _sandbox(stack: ExitStack, options: argparse.Namespace) -> DeribitSettings:
    days = (options.last - options.first).days + 1
    tape = make((options.currency,), options.first, days, Shape(trades_per_day=2_000, holes=0))
    at = datetime.combine(options.last + timedelta(days=2), datetime.min.time(), UTC)
    server = stack.enter_context(Sandbox(tape, round(at.timestamp() * 1000)))
    return DeribitSettings(
        api_url=server.environ["SOURCES__DERIBIT__API_URL"],
        history_url=server.environ["SOURCES__DERIBIT__HISTORY_URL"],
        requests_per_second=10_000.0,
    )


def _days(options: argparse.Namespace) -> list[date]:
    count = (options.last - options.first).days + 1
    return [options.first + timedelta(days=n) for n in range(count)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("first", type=date.fromisoformat)
    parser.add_argument("last", type=date.fromisoformat)
    parser.add_argument("--dir", type=Path, required=True, help="where days and measurements lie")
    parser.add_argument("--currency", default="BTC")
    parser.add_argument("--years", type=float, default=5.0, help="to project to; default 5")
    parser.add_argument("--real", action="store_true", help="ask the configured hosts")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
