"""Every published table by name: which shape a word's normalised rows and each mart have.

Nothing here imports pandas, so that whoever describes tables may import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.tables.overview import OVERVIEW_MARTS
from pipelines.tables.privacy import KEEP, SHIFT, pseudonym
from pipelines.tables.revenue import (
    COST_DAILY,
    FX,
    FX_RATES,
    MARGIN_BY_PRODUCT,
    MARGIN_DAILY,
    REVENUE,
    STRIPE,
    USD_RATES,
)
from pipelines.tables.schema import DELIVERIES, Column, arrow_of, cost_columns

COST_WORDS = ("aws", "gcp")
"""The sources whose normalised rows are in the cost shape: the members of the mart `costs`."""


# fmt: off
TRADES: tuple[Column, ...] = (
    # what
    Column("trade_id", "text", False, "Deribit's id, unique per currency.",
           privacy=KEEP, many=True),
    Column("trade_seq", "integer", False, "Number of the trade within its instrument, from 1.",
           privacy=KEEP),
    Column("instrument_name", "text", False, "The instrument, as Deribit names it.", privacy=KEEP),
    Column("kind", "text", False,
           "option, future, perpetual, spot or a combo; unclassified for an unknown name.",
           privacy=KEEP),
    Column("currency", "text", False, "The settlement currency: linear books are under USDC.",
           privacy=KEEP),
    Column("base_currency", "text", True, "The coin.", privacy=KEEP),
    Column("quote_currency", "text", True, "What the price is in: of inverse options the coin.",
           privacy=KEEP),
    # when, in UTC
    Column("traded_at", "timestamp", False, "The instant, to the millisecond.", privacy=SHIFT),
    Column("trade_date", "date", False, "UTC date of traded_at.", privacy=SHIFT),
    # how
    Column("direction", "text", False, "buy or sell, of the taker.", privacy=KEEP),
    Column("tick_direction", "integer", True, "0 plus, 1 zero-plus, 2 minus, 3 zero-minus.",
           privacy=KEEP),
    Column("price", "number", True, "In quote_currency.", privacy=KEEP),
    Column("price_usd", "number", True, "In USD, by the index price where it is in the coin.",
           privacy=KEEP),
    Column("amount", "number", True, "USD of inverse futures and perpetuals, else coins.",
           privacy=KEEP),
    Column("contracts", "number", True, "Number of contracts; older trades have none.",
           privacy=KEEP),
    Column("notional_usd", "number", True, "Value of the underlying in USD.", privacy=KEEP),
    Column("mark_price", "number", True, "The mark price at that moment, as price.", privacy=KEEP),
    Column("index_price", "number", True, "The index price at that moment.", privacy=KEEP),
    Column("iv", "number", True, "Implied volatility of an option, in percent.", privacy=KEEP),
    Column("liquidation", "text", True, "M maker, T taker, MT both were liquidated.", privacy=KEEP),
    # blocks and combos
    Column("block_trade_id", "text", True, "The block trade that it is part of.",
           privacy=KEEP, many=True),
    Column("block_trade_leg_count", "integer", True, "Legs of that block trade.", privacy=KEEP),
    Column("combo_id", "text", True, "The combo that it is a leg of.", privacy=KEEP, many=True),
    Column("combo_trade_id", "text", True, "The combo's trade.", privacy=KEEP, many=True),
    Column("block_rfq_id", "integer", True, "The block request for quotes.", privacy=KEEP),
    # the instrument, by its name
    Column("underlying", "text", True, "The book: BTC, BTC_USDC, …", privacy=KEEP),
    Column("expiry", "timestamp", True, "08:00 UTC of the day on which it expires.", privacy=SHIFT),
    Column("strike", "number", True, "Of an option.", privacy=KEEP),
    Column("option_type", "text", True, "call or put.", privacy=KEEP),
    Column("moneyness", "number", True, "index_price / strike: above 1 a call is in the money.",
           privacy=KEEP),
    Column("is_linear", "boolean", True, "Quoted and settled in the quote currency of the name.",
           privacy=KEEP),
    # ours
    Column("x_missing_before", "integer", False,
           "Numbers right before this trade that could not be had.", privacy=KEEP),
    Column("x_source", "text", False, "deribit: the source's word.", privacy=KEEP),
    Column("x_partition", "text", False, "The partition, such as 2026-10-31.BTC.",
           privacy=SHIFT, many=True),
    Column("x_fingerprint", "text", False, "The delivery this row came with.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "The load that brought it.", privacy=KEEP),
)

TRADES_DAILY: tuple[Column, ...] = (
    Column("trade_date", "date", False, "UTC date.", privacy=SHIFT),
    Column("currency", "text", False, "The settlement currency.", privacy=KEEP),
    Column("level", "text", False, "instrument, or expiry: all of an underlying, expiry and kind.",
           privacy=KEEP),
    Column("instrument_name", "text", True, "NULL at level expiry.", privacy=KEEP),
    Column("underlying", "text", True, "The book: BTC, BTC_USDC, …", privacy=KEEP),
    Column("expiry", "timestamp", True, "NULL of what does not expire.", privacy=SHIFT),
    Column("kind", "text", False, "As in trades.", privacy=KEEP),
    Column("open", "number", True, "First price; like the other prices NULL of several books.",
           privacy=KEEP),
    Column("high", "number", True, "Highest price.", privacy=KEEP),
    Column("low", "number", True, "Lowest price.", privacy=KEEP),
    Column("close", "number", True, "Last price.", privacy=KEEP),
    Column("vwap", "number", True, "Price weighted by amount.", privacy=KEEP),
    Column("volume", "number", True, "Sum of amount: USD of inverse futures, else coins.",
           privacy=KEEP),
    Column("notional_usd", "number", True, "Sum of notional_usd.", privacy=KEEP),
    Column("trades", "integer", False, "Number of trades.", privacy=KEEP),
    Column("call_volume", "number", True, "Volume of calls; NULL for anything but options.",
           privacy=KEEP),
    Column("put_volume", "number", True, "Volume of puts; NULL for anything but options.",
           privacy=KEEP),
    Column("put_call_ratio", "number", True, "put_volume / call_volume.", privacy=KEEP),
    Column("iv_vwap", "number", True, "iv weighted by amount, in percent.", privacy=KEEP),
    Column("x_partition", "text", False, "The partition that it was made of.", privacy=SHIFT),
)

KNOWN_HOLES: tuple[Column, ...] = (
    Column("trade_date", "date", False, "UTC date of the trade that follows.", privacy=SHIFT),
    Column("currency", "text", False, "The settlement currency.", privacy=KEEP),
    Column("instrument_name", "text", False, "The instrument.", privacy=KEEP),
    Column("first_seq", "integer", False, "First missing sequence number.", privacy=KEEP),
    Column("last_seq", "integer", False, "Last missing sequence number.", privacy=KEEP),
    Column("missing", "integer", False, "How many numbers are missing.", privacy=KEEP),
    Column("before_trade_at", "timestamp", False, "When the trade that follows was made.",
           privacy=SHIFT),
    Column("x_partition", "text", False, "The partition of the trade that follows.", privacy=SHIFT),
)
# fmt: on


def columns_of(word: str, tag_columns: Sequence[str]) -> tuple[Column, ...]:
    """The normalised shape of a word."""
    if word in COST_WORDS:
        return cost_columns(tag_columns)
    return _OTHERS[word]


def arrow_shape(word: str, tag_columns: Sequence[str]) -> pa.Schema:
    """The same as a reader of the published parquet sees it."""
    return arrow_of(columns_of(word, tag_columns))


def mart_columns(tag_columns: Sequence[str]) -> dict[str, tuple[Column, ...]]:
    """The shape of each mart, by name."""
    return {"costs": cost_columns(tag_columns), **_MARTS}


def published_tables(tag_columns: Sequence[str]) -> dict[str, Sequence[Column]]:
    """Every published table and view, by its name in ClickHouse."""
    words = (*COST_WORDS, *_OTHERS)
    normalized = {f"normalized_{word}": columns_of(word, tag_columns) for word in words}
    return {**normalized, **mart_columns(tag_columns), "deliveries": DELIVERIES}


_OTHERS: dict[str, tuple[Column, ...]] = {"stripe": STRIPE, "fx": FX, "deribit": TRADES}
_MARTS: dict[str, tuple[Column, ...]] = {
    "fx_rates": FX_RATES,
    "usd_rates": USD_RATES,
    "revenue": REVENUE,
    "cost_daily": COST_DAILY,
    "margin_daily": MARGIN_DAILY,
    "margin_by_product": MARGIN_BY_PRODUCT,
    **OVERVIEW_MARTS,
    "trades": TRADES,
    "trades_daily": TRADES_DAILY,
    "known_holes": KNOWN_HOLES,
}
