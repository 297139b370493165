"""Every published table by name: which shape a source's normalised rows and each mart have.

Nothing here imports pandas, so that whoever describes tables may import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.tables import daily
from pipelines.tables.finops.columns import FINOPS_MARTS
from pipelines.tables.focus_dataset.columns import (
    COST_AND_USAGE,
    MART,
    VERSIONS,
    published_columns,
)
from pipelines.tables.overview import OVERVIEW_MARTS, RUNS
from pipelines.tables.own_shapes import own_shape
from pipelines.tables.privacy import KEEP, SHIFT
from pipelines.tables.revenue import (
    COSTS_SPLIT,
    FX_RATES,
    MARGIN_BY_PRODUCT,
    MARGIN_BY_SOURCE,
    MARGIN_DAILY,
    PAYOUTS,
    REPORTING_RATES,
    REVENUE,
)
from pipelines.tables.schema import DELIVERIES, Column, arrow_of, cost_columns
from pipelines.tables.sources import COST_SOURCES, SOURCES

# fmt: off
TRADES_DAILY: tuple[Column, ...] = (
    Column("trade_date", "date", False, "UTC date.", privacy=SHIFT),
    Column("currency", "text", False, "Settlement currency.", privacy=KEEP),
    Column("level", "text", False,
           "instrument (one instrument) or expiry (all of one underlying, expiry and kind).",
           privacy=KEEP),
    Column("instrument_name", "text", True, "NULL at level expiry.", privacy=KEEP),
    Column("underlying", "text", True, "The book: BTC, BTC_USDC, …", privacy=KEEP),
    Column("expiry", "timestamp", True, "Expiry; NULL for instruments without one.", privacy=SHIFT),
    Column("kind", "text", False, "Kind of instrument, as in trades.", privacy=KEEP),
    Column("open", "number", True,
           "First price. Every price is NULL where the row has more than one instrument.",
           privacy=KEEP),
    Column("high", "number", True, "Highest price.", privacy=KEEP),
    Column("low", "number", True, "Lowest price.", privacy=KEEP),
    Column("close", "number", True, "Last price.", privacy=KEEP),
    Column("vwap", "number", True, "Price weighted by amount.", privacy=KEEP),
    Column("volume", "number", True,
           "Sum of amount: USD for inverse futures and perpetuals, coins otherwise.", privacy=KEEP),
    Column("notional_usd", "number", True, "Sum of notional_usd.", privacy=KEEP),
    Column("trades", "integer", False, "Number of trades.", privacy=KEEP),
    Column("call_volume", "number", True, "Volume of calls; NULL for anything but options.",
           privacy=KEEP),
    Column("put_volume", "number", True, "Volume of puts; NULL for anything but options.",
           privacy=KEEP),
    Column("put_call_ratio", "number", True, "put_volume / call_volume.", privacy=KEEP),
    Column("iv_vwap", "number", True, "iv weighted by amount, in percent.", privacy=KEEP),
    Column("x_partition", "text", False, "Partition that the row is computed from.", privacy=SHIFT),
)

KNOWN_HOLES: tuple[Column, ...] = (
    Column("trade_date", "date", False, "UTC date of the trade that follows.", privacy=SHIFT),
    Column("currency", "text", False, "Settlement currency.", privacy=KEEP),
    Column("instrument_name", "text", False, "The instrument.", privacy=KEEP),
    Column("first_seq", "integer", False, "First missing sequence number.", privacy=KEEP),
    Column("last_seq", "integer", False, "Last missing sequence number.", privacy=KEEP),
    Column("missing", "integer", False, "How many numbers are missing.", privacy=KEEP),
    Column("before_trade_at", "timestamp", False, "Time of the trade that follows.", privacy=SHIFT),
    Column("x_partition", "text", False, "The partition of the trade that follows.", privacy=SHIFT),
)
# fmt: on


def columns_of(source_name: str, tag_columns: Sequence[str]) -> tuple[Column, ...]:
    """The normalised shape of a source."""
    return cost_columns(tag_columns) if source_name in COST_SOURCES else _OWN[source_name]


def arrow_shape(source_name: str, tag_columns: Sequence[str]) -> pa.Schema:
    """The same as a reader of the published parquet sees it."""
    return arrow_of(columns_of(source_name, tag_columns))


def mart_columns(tag_columns: Sequence[str]) -> dict[str, tuple[Column, ...]]:
    """The shape of each mart, by name."""
    return {
        "costs": cost_columns(tag_columns),
        daily.NAME: daily.daily_columns(tag_columns),
        **_MARTS,
    }


def published_tables(tag_columns: Sequence[str]) -> dict[str, Sequence[Column]]:
    """Every published table and view, by its name in ClickHouse."""
    source_names = (*COST_SOURCES, *_OWN)
    normalized = {
        f"normalized_{source_name}": columns_of(source_name, tag_columns)
        for source_name in source_names
    }
    focus = {MART: published_columns(COST_AND_USAGE, VERSIONS[0])}
    history = {"deliveries": DELIVERIES, "runs": RUNS}
    return {**normalized, **mart_columns(tag_columns), **focus, **history}


_OWN: dict[str, tuple[Column, ...]] = {
    source_name: own_shape(source_name)
    for source_name, source in SOURCES.items()
    if not source.is_cost
}

RETIRED_MARTS = ("cost_daily",)
"""Marts of older versions: whoever reads one would read figures that nobody computes any more."""

_MARTS: dict[str, tuple[Column, ...]] = {
    "fx_rates": FX_RATES,
    "reporting_rates": REPORTING_RATES,
    "revenue": REVENUE,
    "payouts": PAYOUTS,
    "costs_split": COSTS_SPLIT,
    "margin_daily": MARGIN_DAILY,
    "margin_by_product": MARGIN_BY_PRODUCT,
    "margin_by_source": MARGIN_BY_SOURCE,
    **OVERVIEW_MARTS,
    **FINOPS_MARTS,
    **{source.mart: _OWN[source_name] for source_name, source in SOURCES.items() if source.mart},
    "trades_daily": TRADES_DAILY,
    "known_holes": KNOWN_HOLES,
}
