"""A Deribit sandbox with a tape, and what must be loaded of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.providers.deribit.days import Day
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import kind_of
from pipelines.providers.deribit.settings import DeribitSettings
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import DAY, Instrument, Tape

FIRST = date(2026, 11, 20)


def at(day: date, hours: float = 0) -> int:
    """Milliseconds since 1970."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return milliseconds(start + timedelta(hours=hours))


NOW = at(FIRST, 24 * 2 + 20)
"""The third day at 20:00: two closed days, one open."""


def settings(sandbox: Sandbox, **more: Any) -> DeribitSettings:
    """For a source that reads the sandbox, fast."""
    return DeribitSettings(
        api_url=f"{sandbox.url}/api/v2",
        history_url=f"{sandbox.url}/history/api/v2",
        requests_per_second=1e6,
        backoff_seconds=0.001,
        **more,
    )


def rows(day: Day) -> list[dict[str, Any]]:
    """What would be landed, in order, without what does not stand on the tape."""
    tables: Iterable[pa.Table] = day.slices()
    return [row for table in tables for row in table.to_pylist()]


def on_tape(tape: Tape, currency: str, day: date, now: int = NOW) -> list[dict[str, Any]]:
    """The same of the tape, by instrument and number; a minute ago is the end of it."""
    found = (t for t in tape.trades(currency, day) if t["timestamp"] <= now - 60_000)
    return sorted(found, key=lambda t: (t["instrument_name"], t["trade_seq"]))


def same(loaded: Iterable[Mapping[str, Any]], tape: Iterable[Mapping[str, Any]]) -> bool:
    """Every field of every trade; a combo's trade is text, whatever it came as."""
    mine = [{k: v for k, v in row.items() if v is not None and k[:2] != "x_"} for row in loaded]
    theirs = [
        {k: str(v) if k == "combo_trade_id" else v for k, v in row.items() if v is not None}
        for row in tape
    ]
    return mine == theirs


def holes(loaded: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
    """The numbers that are noted as missing."""
    return {
        (row["instrument_name"], row["trade_seq"] - n)
        for row in loaded
        for n in range(1, row["x_missing_before"] + 1)
    }


def random_tape(chance: random.Random, moments: int, most: int, instruments: int) -> Tape:
    """A small tape of one day of BTC: few instruments, up to `most` trades a millisecond, holes."""
    tape, numbers = Tape(), dict[str, int]()
    kinds = ("future", "option", "option_combo", "spot")
    for number in range(instruments):
        kind = kinds[number % len(kinds)]
        name = {
            "future": f"BTC-{number + 1}DEC26",
            "option": f"BTC-5DEC26-{number}000-C",
            "option_combo": f"BTC-CS-5DEC26-{number}_9",
            "spot": f"BTC_USD{number}",
        }[kind]
        tape.instruments.append(Instrument(name, kind, "BTC", at(FIRST), at(FIRST, 2_000)))
        numbers[name] = 1
    times = sorted(chance.sample(range(at(FIRST), at(FIRST) + DAY, 997), moments))
    trade_id = 100
    for moment in times:
        for _ in range(chance.choice((1, 1, 2, most))):
            instrument = chance.choice(tape.instruments)
            if chance.random() < 0.01 and numbers[instrument.name] > 1:
                tape.holes.setdefault(instrument.name, set()).add(numbers[instrument.name])
                numbers[instrument.name] += 1
            trade_id += chance.randint(1, 3)
            tape.add(
                instrument,
                {
                    "trade_seq": numbers[instrument.name],
                    "trade_id": str(trade_id),
                    "timestamp": moment,
                    "tick_direction": 0,
                    "price": chance.choice((0.5, 97_000, 1.25)),
                    "mark_price": chance.choice((None, 0.25)),
                    "instrument_name": instrument.name,
                    "index_price": 97_000.5,
                    "direction": "buy",
                    "amount": chance.choice((10, 0.1)),
                    **chance.choice(({}, {"combo_trade_id": 7}, {"combo_trade_id": "7"})),
                },
            )
            numbers[instrument.name] += 1
    return tape


class Writer:
    """Writes trades on a sandbox's tape; amounts are 10 times the number of the trade."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.next: dict[str, int] = {}

    def trade(
        self, day: date, instrument: str, times: int = 1, skip: int = 0, hour: int = 1
    ) -> None:
        """`skip` numbers before the first do not exist."""
        tape = self.sandbox.tape
        kind = kind_of(instrument)
        currency = "ETH" if instrument.startswith("ETH-") else "BTC"
        of = Instrument(instrument, kind, currency, at(FIRST), at(FIRST, 2_000))
        if of not in tape.instruments:
            tape.instruments.append(of)
        for _ in range(times):
            number = self.next.get(instrument, 0) + 1 + skip
            skip, self.next[instrument] = 0, number
            trade = {
                "trade_seq": number,
                "trade_id": str(1_000 + len(tape.rows)),
                "timestamp": at(day, hour) + 1_000 * len(tape.rows),
                "tick_direction": 0,
                "price": 0.5 if instrument != "BTC-PERPETUAL" else 97_000.0,
                "instrument_name": instrument,
                "index_price": 97_000.0,
                "direction": "buy",
                "amount": 10 * number,
            }
            tape.add(of, trade)


def day_of(market: Market, settings: DeribitSettings, day: date, currency: str = "BTC") -> Day:
    """Read one day by itself."""
    from pipelines.providers.deribit.days import read_day
    from pipelines.providers.deribit.sweep import day_span

    span: Span = day_span(at(day), milliseconds(market.now()))
    return read_day(market, settings, currency, span, market.now(), {}, lambda rows: None)
