"""A made-up tape of Deribit trades: bursts, holes, instruments that come and go. Deterministic.

A trade is kept as the JSON text that the exchange would send, so that a million of them are served
without being rendered again.
"""

from __future__ import annotations

import bisect
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

DAY = 86_400_000
COMBO = {"future_combo", "option_combo"}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_INDEX = {"BTC": 97_000.0, "ETH": 3_400.0, "XRP": 2.3, "SOL": 210.0}


@dataclass(frozen=True)
class Instrument:
    """One instrument: its name, its kind, and from when until when it is traded (ms)."""

    name: str
    kind: str
    currency: str
    start: int
    end: int
    weight: float = 1.0

    @property
    def base(self) -> str:
        """The coin that it is of, such as BTC."""
        return self.name.split("-")[0].split("_")[0]


@dataclass
class Tape:
    """Trades in the order of their time, found by currency and kind and by instrument.

    `rows` are JSON texts; `where` holds times and row numbers by (currency, kind), `of` sequence
    numbers and row numbers by instrument. A sequence number that is missing is a genuine hole.
    """

    instruments: list[Instrument] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    where: dict[tuple[str, str], tuple[list[int], list[int]]] = field(default_factory=dict)
    of: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    holes: dict[str, set[int]] = field(default_factory=dict)

    def add(self, instrument: Instrument, trade: Mapping[str, Any]) -> None:
        """One more trade; an older one than the last takes its place among those of its time."""
        number = len(self.rows)
        self.rows.append(json.dumps(trade, separators=(",", ":")).encode())
        moment = trade["timestamp"]
        self.times.append(moment)
        kinds = ["any", instrument.kind] + (["combo"] if instrument.kind in COMBO else [])
        for kind in kinds:
            times, numbers = self.where.setdefault((instrument.currency, kind), ([], []))
            place = bisect.bisect_right(times, moment)
            times.insert(place, moment)
            numbers.insert(place, number)
        seqs, numbers = self.of.setdefault(instrument.name, ([], []))
        seqs.append(trade["trade_seq"])
        numbers.append(number)

    def trades(self, currency: str, day: date) -> Iterator[dict[str, Any]]:
        """What is to be loaded as that day."""
        start = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
        times, numbers = self.where.get((currency, "any"), ([], []))
        first, last = bisect.bisect_left(times, start), bisect.bisect_left(times, start + DAY)
        return (json.loads(self.rows[number]) for number in numbers[first:last])


@dataclass(frozen=True)
class Shape:
    """What a tape is like. `run` trades more share one millisecond in the middle of each day."""

    trades_per_day: int = 2_000
    run: int = 0
    holes: int = 0
    bursts: float = 0.06
    seed: int = 1


def expiry(day: date) -> str:
    """As Deribit writes it: no leading zero, English, upper case."""
    return f"{day.day}{_MONTHS[day.month - 1]}{day:%y}"


def make(currencies: Iterable[str], first: date, days: int, shape: Shape = Shape()) -> Tape:
    """A tape of so many days from `first`."""
    tape, chance = Tape(), random.Random(shape.seed)
    start = round(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000)
    for currency in currencies:
        maker = _Maker(tape, currency, first, days, shape, chance)
        for number in range(days):
            maker.day(start + number * DAY)
    order = sorted(range(len(tape.rows)), key=tape.times.__getitem__)
    tape.times = [tape.times[number] for number in order]
    _renumber(tape, order)
    return tape


def _renumber(tape: Tape, order: list[int]) -> None:
    place = {number: at for at, number in enumerate(order)}
    tape.rows = [tape.rows[number] for number in order]
    for _, numbers in (*tape.where.values(), *tape.of.values()):
        numbers[:] = [place[number] for number in numbers]


class _Maker:
    """Makes one currency's trades, day after day."""

    def __init__(
        self,
        tape: Tape,
        currency: str,
        first: date,
        days: int,
        shape: Shape,
        chance: random.Random,
    ) -> None:
        self.tape, self.currency, self.shape, self.chance = tape, currency, shape, chance
        self.instruments = list(instruments(currency, first, days))
        tape.instruments += self.instruments
        # an old instrument's numbers do not begin on the tape's first day, but its own at 1 do
        self.next = {
            each.name: 1 if each.start >= _ms(first) else chance.randint(2, 5_000)
            for each in self.instruments
        }
        self.numbers = {each.name: {1} for each in self.instruments}
        self.id = chance.randint(1_000, 9_000)
        for each in self.instruments:  # what came before the tape: one trade, long ago
            if self.next[each.name] > 1:
                before = self.trade(each, each.start)
                before["trade_seq"] = self.next[each.name] - 1
                tape.add(each, before | {"timestamp": each.start})

    def day(self, start: int) -> None:
        shape, chance = self.shape, self.chance
        left, moment = shape.trades_per_day, start
        step = DAY // max(int(shape.trades_per_day / (1 + shape.bursts * 20)), 1)
        run = shape.run
        holes = set(chance.sample(range(10, max(shape.trades_per_day - 10, 11)), shape.holes)) \
            if shape.holes else set()  # fmt: skip
        made = 0
        while left > 0:
            moment = min(moment + chance.randint(0, 2 * step), start + DAY - 1)
            many = chance.randint(2, 40) if chance.random() < shape.bursts else 1
            if run and moment >= start + DAY // 2:
                many, run, left = run, 0, left + run
            for _ in range(min(many, left)):
                instrument = self.pick(moment)
                if made in holes:
                    lost = self.next[instrument.name]
                    self.tape.holes.setdefault(instrument.name, set()).add(lost)
                    self.next[instrument.name] += 1
                self.tape.add(instrument, self.trade(instrument, moment))
                made += 1
                left -= 1

    def pick(self, moment: int) -> Instrument:
        """An instrument that is traded then."""
        alive = [each for each in self.instruments if each.start <= moment < each.end]
        return self.chance.choices(alive, [each.weight for each in alive])[0]

    def trade(self, of: Instrument, moment: int) -> dict[str, Any]:
        """The next trade of an instrument, as the exchange words it."""
        chance = self.chance
        number = self.next[of.name]
        self.next[of.name] += 1
        self.id += chance.choice((1, 1, 1, 2))
        index = round(_INDEX[of.base] * (1 + chance.gauss(0, 0.002)), 2)
        plain = self.currency == "BTC"
        found: dict[str, Any] = {
            "trade_seq": number,
            "trade_id": str(self.id) if plain else f"{self.currency}-{self.id}",
            "timestamp": moment,
            "tick_direction": chance.randint(0, 3),
            "price": _price(of, index, chance),
            "mark_price": round(_price(of, index, chance), 6),
            "instrument_name": of.name,
            "index_price": index,
            "direction": chance.choice(("buy", "sell")),
            "amount": _amount(of, chance),
        }
        if chance.random() < 0.9:  # "may be absent in historical trades"
            found["contracts"] = found["amount"] if of.kind == "option" else found["amount"] / 10
        if of.kind == "option":
            found["iv"] = round(chance.uniform(35, 90), 2)
        elif chance.random() < 0.01:
            found["liquidation"] = chance.choice(("M", "T", "MT"))
        if chance.random() < 0.03:
            found |= {"block_trade_id": f"BLOCK-{self.id}", "block_trade_leg_count": 2}
            leg = self.id - 1
            found |= {"combo_id": f"{of.base}-CS-19DEC26-1_2", "block_rfq_id": leg % 9_999}
            found["combo_trade_id"] = leg if chance.random() < 0.5 else str(leg)
        if chance.random() < 0.002:
            found["mark_price"] = None  # early history
        return found


def instruments(currency: str, first: date, days: int) -> Iterator[Instrument]:
    """What a currency's books are: some for ever, some that appear and expire."""
    long_ago, forever = _ms(first) - 400 * DAY, 32_503_708_800_000
    prefix = "BTC_USDC" if currency == "USDC" else currency
    far = expiry(first + timedelta(days=days + 90))
    yield Instrument(f"{prefix}-PERPETUAL", "future", currency, long_ago, forever, 20)
    yield Instrument(f"{prefix}-{far}", "future", currency, long_ago, forever, 4)
    yield Instrument(f"{prefix}-FS-{far}_PERP", "future_combo", currency, long_ago, forever, 0.3)
    if currency == "USDC":
        yield Instrument("BTC_USDC", "spot", currency, long_ago, forever, 3)
        yield Instrument(f"XRP_USDC-{far}-2d35-C", "option", currency, long_ago, forever, 2)
        yield Instrument(f"XRP_USDC-{far}-0d625-P", "option", currency, long_ago, forever, 1)
    for number in range(days + 2):  # daily options, listed two days before they expire
        end = first + timedelta(days=number)
        start, last = _ms(end) - 2 * DAY, _ms(end) + 8 * 3_600_000
        for strike in (
            _INDEX["BTC" if currency == "USDC" else currency] * f for f in (0.9, 1, 1.1)
        ):
            for side in "CP":
                name = f"{prefix}-{expiry(end)}-{round(strike / 100) * 100}-{side}"
                yield Instrument(name, "option", currency, start, last, 1)
        combo = f"{prefix}-CS-{expiry(end)}-90000_95000"
        yield Instrument(combo, "option_combo", currency, start, last, 0.2)


def _price(of: Instrument, index: float, chance: random.Random) -> float:
    if of.kind == "option":
        share = chance.uniform(0.001, 0.08)
        return round(share * index, 4) if "_" in of.name.split("-")[0] else round(share, 4)
    if of.kind in COMBO:
        return round(chance.uniform(-0.01, 0.01), 4)
    return round(index * (1 + chance.gauss(0, 0.001)), 4)


def _amount(of: Instrument, chance: random.Random) -> float:
    if of.kind in ("future", "future_combo") and "_" not in of.name.split("-")[0]:
        return float(chance.randint(1, 500) * 10)
    return round(chance.uniform(0.1, 25), 1)


def _ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
