"""Deribit trades, one row per trade. Twin: sql/23_deribit.sql.

Inverse books (BTC-…, no quote in the name) are settled in the coin: futures are quoted in USD and
their amount is USD, options are quoted in the coin and their amount is coins. Linear books
(BTC_USDC-…) and spot are quoted in the quote currency, and their amount is coins. docs/rules.md has
the formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.columns import (
    TIME,
    Booleans,
    Floats,
    Raw,
    frame,
    literal,
    require,
    wrong_type,
)
from pipelines.providers.deribit.names import LIKE_USD, UNCLASSIFIED, Instrument, parse
from pipelines.tables.schema import Context, ShapeError

__all__ = ["Context", "ShapeError", "columns", "normalize"]

REQUIRED = ("trade_id", "trade_seq", "instrument_name", "timestamp", "direction", "price", "amount")
TEXTS = ("instrument_name", "direction", "liquidation", "block_trade_id", "combo_id")
IDS = ("trade_id", "combo_trade_id")
INTEGERS = ("trade_seq", "timestamp", "tick_direction", "block_trade_leg_count", "block_rfq_id",
            "x_missing_before")  # fmt: skip
NUMBERS = ("price", "amount", "contracts", "mark_price", "index_price", "iv")


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED, "Deribit's list of trades")
    wanted = (*TEXTS, *IDS, *INTEGERS, *NUMBERS)
    return (
        [name for name in wanted if name in schema.names],
        [name for name in TEXTS if name in schema.names],
    )


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The shape `trades` of one batch of raw rows.

    Raises ShapeError when a required column is missing or a column has a type its rule cannot use.
    """
    require(table.schema, REQUIRED, "Deribit's list of trades")
    raw = Raw(table)
    n = raw.rows
    name = raw.text("instrument_name")
    of = _Instruments(name)
    price, amount = raw.number("price"), raw.number("amount")
    index = raw.number("index_price")
    traded_at = pc.multiply(_integer(raw, "timestamp"), 1000).cast(TIME)
    strike = of.number(lambda each: each.strike)
    currency = context.partition.partition(".")[2]
    return frame(
        {
            # what
            "trade_id": raw.text("trade_id"),
            "trade_seq": _integer(raw, "trade_seq"),
            "instrument_name": name,
            "kind": of.text(lambda each: each.kind),
            "currency": literal(currency, n),
            "base_currency": of.text(lambda each: each.base),
            "quote_currency": of.text(lambda each: each.quote),
            # when, in UTC
            "traded_at": traded_at,
            "trade_date": traded_at.cast(pa.date32(), safe=False),
            # how
            "direction": raw.text("direction"),
            "tick_direction": _integer(raw, "tick_direction"),
            "price": price,
            "price_usd": _price_usd(of, price, index),
            "amount": amount,
            "contracts": raw.number("contracts"),
            "notional_usd": _notional_usd(of, price, amount, index),
            "mark_price": raw.number("mark_price"),
            "index_price": index,
            "iv": raw.number("iv"),
            "liquidation": raw.text("liquidation"),
            # blocks and combos
            "block_trade_id": raw.text("block_trade_id"),
            "block_trade_leg_count": _integer(raw, "block_trade_leg_count"),
            "combo_id": raw.text("combo_id"),
            "combo_trade_id": raw.text("combo_trade_id"),
            "block_rfq_id": _integer(raw, "block_rfq_id"),
            # the instrument
            "underlying": of.text(lambda each: each.underlying),
            "expiry": of.array(lambda each: each.expiry, TIME),
            "strike": strike,
            "option_type": of.text(lambda each: each.option_type),
            "moneyness": np.divide(index, strike, out=np.full(n, np.nan), where=strike > 0),
            "is_linear": of.array(lambda each: each.is_linear, pa.bool_()),
            # ours
            "x_missing_before": pc.fill_null(_integer(raw, "x_missing_before"), 0),
            "x_source": literal("deribit", n),
            "x_partition": literal(context.partition, n),
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        }
    )


class _Instruments:
    """What the names say, worked out once for each distinct one and spread over the rows."""

    def __init__(self, names: pa.DictionaryArray) -> None:
        unknown = Instrument(UNCLASSIFIED)
        self._codes = names.indices.fill_null(len(names.dictionary))
        self._each = [*(parse(name) for name in names.dictionary.to_pylist()), unknown]

    def text(self, pick: Callable[[Instrument], str | None]) -> pa.DictionaryArray:
        """A text that `pick` takes from each instrument's parsed name, per row."""
        words = pa.array([pick(each) for each in self._each], pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(words.indices.take(self._codes), words.dictionary)

    def array(self, pick: Callable[[Instrument], Any], kind: pa.DataType) -> pa.Array:
        """A value of `kind` that `pick` takes from each instrument's parsed name, per row."""
        return pa.array([pick(each) for each in self._each], kind).take(self._codes)

    def number(self, pick: Callable[[Instrument], float | None]) -> Floats:
        """A number of it; NaN for none."""
        values = np.array([np.nan if pick(each) is None else pick(each) for each in self._each])
        found: Floats = values.astype(float)[self._codes.to_numpy()]
        return found

    def where(self, test: Callable[[Instrument], bool]) -> Booleans:
        """True for the rows with an instrument that passes the test."""
        such = np.array([test(each) for each in self._each], bool)
        found: Booleans = such[self._codes.to_numpy()]
        return found


def _price_usd(of: _Instruments, price: Floats, index: Floats) -> Floats:
    in_usd = of.where(lambda each: each.quote in LIKE_USD)
    in_coin = of.where(lambda each: each.quote is not None and each.quote == each.base)
    return np.where(in_usd, price, np.where(in_coin, price * index, np.nan))


def _notional_usd(of: _Instruments, price: Floats, amount: Floats, index: Floats) -> Floats:
    outright = ("perpetual", "future", "spot")
    in_usd = of.where(lambda each: each.is_linear is False and each.quote == "USD")
    by_price = of.where(
        lambda each: bool(each.is_linear) and each.kind in outright and each.quote in LIKE_USD
    )
    by_index = of.where(
        lambda each: (
            each.kind not in (*outright, UNCLASSIFIED)
            and (each.is_linear is False or each.quote in LIKE_USD)
        )
    )
    value = np.where(by_index, amount * index, np.nan)
    return np.where(in_usd, amount, np.where(by_price, amount * price, value))


def _integer(raw: Raw, name: str) -> pa.Array:
    """int64, NULL where it has no value."""
    column = raw.values(name)
    if column is None:
        return pa.nulls(raw.rows, pa.int64())
    if not pa.types.is_integer(column.type):
        raise wrong_type(name, column.type, "a whole number")
    return column.cast(pa.int64())
