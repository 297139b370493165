"""A page of trades as an arrow table, checked against what was asked for.

msgspec reads a page into typed records in a tenth of the time of arrow's own JSON parser, and of
these a column at once is made arrow. `combo_trade_id`, a number here and text there, becomes text;
what msgspec refuses goes row by row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.providers.deribit.client import Malformed, envelope

DICTIONARY = pa.dictionary(pa.int32(), pa.string())
TRADE = pa.schema(
    [
        ("trade_id", pa.string()),
        ("trade_seq", pa.int64()),
        ("instrument_name", pa.string()),
        ("timestamp", pa.int64()),
        ("direction", pa.string()),
        ("tick_direction", pa.int64()),
        ("price", pa.float64()),
        ("amount", pa.float64()),
        ("contracts", pa.float64()),
        ("mark_price", pa.float64()),
        ("index_price", pa.float64()),
        ("iv", pa.float64()),
        ("liquidation", pa.string()),
        ("block_trade_id", pa.string()),
        ("block_trade_leg_count", pa.int64()),
        ("combo_id", pa.string()),
        ("combo_trade_id", pa.string()),
        ("block_rfq_id", pa.int64()),
    ]
)
"""Every documented field of `public_trade`, named and typed as Deribit documents it."""
REQUIRED = ("trade_id", "trade_seq", "instrument_name", "timestamp", "direction", "price", "amount")
REPEATED = ("instrument_name", "direction", "liquidation", "combo_id")
HELD = pa.schema([f.with_type(DICTIONARY) if f.name in REPEATED else f for f in TRADE])
"""The same in memory: text that repeats is kept once."""
_KINDS = {
    "spot": re.compile(r"[^-]+"),
    "future": re.compile(r"[^-]+-(PERPETUAL|\d{1,2}[A-Z]{3}\d\d)"),
    "option": re.compile(r"[^-]+-\d{1,2}[A-Z]{3}\d\d-\d+(d\d+)?-[CP]"),
    "future_combo": re.compile(r"[^-]+-FS-.*"),
    "option_combo": re.compile(
        r"[^-]+-([CP]S|[CP]SR|[CP]CAL|[CP]DIAG|[CPI]BUT|[CPI]COND|STRD|STRG|RR|BOX)[0-9]*-.+"
    ),
}
"""By the instrument's name, the first that fits."""
_LENIENT = ("combo_trade_id",)  # a number in the documentation, text on the wire
_TYPES = {pa.string(): str, pa.int64(): int, pa.float64(): float}
_Trade = msgspec.defstruct(
    "_Trade",
    [(f.name, _TYPES[f.type] | (int if f.name in _LENIENT else None) | None, None) for f in TRADE],
    gc=False,
)
_cell_of = [(f, attrgetter(f.name)) for f in HELD]


class _Result(msgspec.Struct, gc=False):
    trades: list[_Trade]  # type: ignore[valid-type] # made of TRADE
    has_more: bool


class _Answer(msgspec.Struct, gc=False):
    result: _Result
    error: Any = None


_decoder = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True)
class Asked:
    """What a page was asked for, bounds inclusive; a trade outside makes it no answer.

    `begins`: there is a trade at `start`, so that a page without it is another's.
    """

    start: int | None = None
    end: int | None = None
    instrument: str | None = None
    first: int | None = None
    last: int | None = None
    begins: bool = False
    kind: str = "any"


@dataclass(frozen=True)
class Page:
    """Trades in the order of the answer, each once, and whether the range holds more."""

    trades: pa.Table
    has_more: bool

    def timestamps(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Times of the trades, in milliseconds since 1970."""
        return numbers(self.trades, "timestamp")


def numbers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """An integer column without NULLs, as numpy."""
    column = table[name]
    whole = column.chunk(0) if column.num_chunks == 1 else column  # without a copy
    found: np.ndarray[Any, np.dtype[np.int64]] = whole.to_numpy()
    return found


@cache
def kind_of(instrument: str) -> str:
    """As `kind` asks for it; '' for a family that we do not know."""
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(instrument)), "")


def parse(body: bytes, asked: Asked) -> Page:
    """Raises ApiError for an error's envelope, Malformed for anything but such a page."""
    found = _by_columns(body) or _by_rows(body)
    trades, has_more = found
    for name in REQUIRED:
        if trades[name].null_count:
            raise Malformed(f"a trade without {name}")
    if trades.num_rows == 0 and has_more:
        raise Malformed("an empty page that is not the last one")
    _check(trades, asked)
    return Page(drop_repeated(trades), has_more)


def _by_columns(body: bytes) -> tuple[pa.Table, bool] | None:
    try:
        answer = _decoder.decode(body)
        if answer.error is not None:
            return None
        trades = answer.result.trades
        made = [_column(f, list(map(cell, trades))) for f, cell in _cell_of]
    except (msgspec.MsgspecError, pa.ArrowException, OverflowError, UnicodeError):
        return None
    return pa.Table.from_arrays(made, schema=HELD), answer.result.has_more


def _column(field: pa.Field, cells: list[Any]) -> pa.Array:
    if field.name in _LENIENT:
        cells = [None if each is None else str(each) for each in cells]
    if field.name in REPEATED:
        return pa.array(cells, pa.string()).dictionary_encode()
    return pa.array(cells, field.type)


def _by_rows(body: bytes) -> tuple[pa.Table, bool]:
    result = envelope(body)["result"]
    if not isinstance(result, dict) or not isinstance(result.get("trades"), list):
        raise Malformed("a result without trades")
    if not isinstance(result.get("has_more"), bool):
        raise Malformed("a result without has_more")
    rows = []
    for trade in result["trades"]:
        if not isinstance(trade, dict):
            raise Malformed(f"a trade that is {trade!r:.40}")
        rows.append({f.name: trade.get(f.name) for f in TRADE} | _lenient(trade))
    try:
        return pa.Table.from_pylist(rows, TRADE).cast(HELD), result["has_more"]
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise Malformed(f"a trade of other types: {str(error).splitlines()[0]}") from error


def _lenient(trade: dict[str, Any]) -> dict[str, str | None]:
    values = ((name, trade.get(name)) for name in _LENIENT)
    return {name: None if value is None else str(value) for name, value in values}


def _check(trades: pa.Table, asked: Asked) -> None:
    """A page that was asked for earlier, or by another, is not this one."""
    if asked.begins and not (numbers(trades, "timestamp") == asked.start).any():
        raise Malformed("a page without the trade that it must begin with")
    if not trades.num_rows:
        return
    bounds = (("timestamp", asked.start, asked.end), ("trade_seq", asked.first, asked.last))
    for name, low, high in bounds:
        column = numbers(trades, name)
        if (low is not None and column.min() < low) or (high is not None and column.max() > high):
            raise Malformed(f"trades outside the {name} that was requested")
    if asked.kind in _KINDS:
        for name in trades["instrument_name"].unique().to_pylist():
            if kind_of(name) not in (asked.kind, ""):
                raise Malformed(f"a trade of {name}, which is not of the kind {asked.kind}")
    if asked.instrument is not None:
        others = pc.any(pc.not_equal(trades["instrument_name"], asked.instrument)).as_py()
        if others:
            raise Malformed(f"trades of another instrument than {asked.instrument}")


def drop_repeated(trades: pa.Table) -> pa.Table:
    """Each trade id once, at its first place: pages repeat trades, and overlap."""
    if pc.count_distinct(trades["trade_id"]).as_py() == trades.num_rows:
        return trades
    ids = trades["trade_id"].to_pylist()
    first = {trade: at for at, trade in reversed(list(enumerate(ids)))}
    return trades.take(pa.array(sorted(first.values())))
