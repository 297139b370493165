"""Funding of perpetuals, one row per hour; for the configured instruments."""

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

_SOURCE = "deribit_funding_rates"
_NUMBERS = ("index_price", "prev_index_price", "interest_8h", "interest_1h")
CHECKED = months.schema("instrument_name", _NUMBERS)
_WINDOW = 7 * 86_400_000
"""Milliseconds of a request: how many rows one may hold is not documented."""


def connect() -> Monthly:
    """The configured perpetuals; nothing is reached where none is configured."""
    settings = configuration()
    return Monthly(_SOURCE, CHECKED, settings, settings.funding, _read)


@dlt.source(name=_SOURCE, section="deribit", max_table_nesting=0)
def source(plan: Plan[Monthly] | None = None) -> DltResource:
    """Funding by the hour, a month of an instrument at a time."""
    made: DltResource = funding_rates(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="funding_rates", **HINTS)
def funding_rates(plan: Plan[Monthly]) -> Iterator[Any]:
    """One row per hour. Raises Unchanged when the month is published already."""
    for landing in plan.landings:
        yield from landing.data(plan.provider.land(landing), "month")


def _read(market: Market, month: Month) -> Hours:
    found: dict[int, dict[str, float | None]] = {}
    for start in range(month.span.start, month.span.end + 1, _WINDOW):
        parameters = {
            "instrument_name": month.name,
            "start_timestamp": start,
            "end_timestamp": min(start + _WINDOW - 1, month.span.end),
        }
        for row in market.result("get_funding_rate_history", parameters, _picked):
            found[row["timestamp"]] = {name: row.get(name) for name in _NUMBERS}
    return found


def _picked(result: Any) -> list[dict[str, Any]]:
    if not isinstance(result, list) or not all(
        isinstance(row, dict) and isinstance(row.get("timestamp"), int) for row in result
    ):
        raise Malformed("a history of funding in which a row has no time")
    return result
