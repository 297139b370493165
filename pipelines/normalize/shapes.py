"""Every published table by name: which shape a word's normalised rows and each mart have.

Nothing here imports pandas, so that whoever describes tables may import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.normalize.overview_shapes import OVERVIEW_MARTS
from pipelines.normalize.schema import DELIVERIES, Column, arrow_of, cost_columns
from pipelines.normalize.schema_revenue import FX, FX_RATES, MARGIN_DAILY, REVENUE, STRIPE

COST_WORDS = ("aws", "gcp")
"""The sources whose normalised rows are in the cost shape: the members of the mart `costs`."""


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


_OTHERS: dict[str, tuple[Column, ...]] = {"stripe": STRIPE, "fx": FX}
_MARTS: dict[str, tuple[Column, ...]] = {
    "fx_rates": FX_RATES,
    "revenue": REVENUE,
    "margin_daily": MARGIN_DAILY,
    **OVERVIEW_MARTS,
}
