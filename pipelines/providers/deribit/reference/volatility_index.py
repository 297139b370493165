"""Deribit's volatility index DVOL, one row per hour; for the configured currencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.extract import DltResource

from pipelines.core.landing import HINTS, Plan, everything
from pipelines.providers.deribit.client import Malformed
from pipelines.providers.deribit.market import Market
from pipelines.providers.deribit.reference import months
from pipelines.providers.deribit.reference.months import Hours, Month, Monthly
from pipelines.providers.deribit.settings import configuration

__all__ = ["CHECKED", "connect", "source"]

_SOURCE = "deribit_volatility_index"
_PRICES = ("open", "high", "low", "close")
CHECKED = months.schema("currency", _PRICES)
_HOUR = 3600


def connect() -> Monthly:
    """The configured index; nothing is reached where none is configured."""
    settings = configuration()
    return Monthly(_SOURCE, CHECKED, settings, settings.volatility_index, _read)


@dlt.source(name=_SOURCE, section="deribit", max_table_nesting=0)
def source(plan: Plan[Monthly] | None = None) -> DltResource:
    """The index by the hour, a month of a currency at a time."""
    made: DltResource = volatility_index(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="volatility_index", **HINTS)
def volatility_index(plan: Plan[Monthly]) -> Iterator[Any]:
    """One row per hour. Raises Unchanged when the month is published already."""
    for landing in plan.landings:
        yield from landing.data(plan.provider.land(landing), "month")


def _read(market: Market, month: Month) -> Hours:
    """The API walks backwards, by `continuation`."""
    found: dict[int, dict[str, float | None]] = {}
    end: int | None = month.span.end
    while end is not None and end >= month.span.start:
        parameters = {
            "currency": month.name,
            "start_timestamp": month.span.start,
            "end_timestamp": end,
            "resolution": _HOUR,
        }
        rows, following = market.result("get_volatility_index_data", parameters, _picked)
        for at, *prices in rows:
            if month.span.start <= at:
                found[at] = dict(zip(_PRICES, prices, strict=True))
        end = following if following is None or following < end else None
    return found


def _picked(result: Any) -> tuple[list[list[Any]], int | None]:
    if not isinstance(result, dict) or not isinstance(result.get("data"), list):
        raise Malformed("a volatility index without data")
    rows = result["data"]
    if not all(isinstance(row, list) and len(row) == 5 for row in rows):
        raise Malformed("a volatility index whose rows are not of five values")
    return rows, result.get("continuation")
