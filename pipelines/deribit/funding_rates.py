"""Funding of perpetuals, one row per hour; for the configured instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.deribit import months
from pipelines.deribit.client import Malformed
from pipelines.deribit.landing import land
from pipelines.deribit.market import Market
from pipelines.deribit.months import Month
from pipelines.deribit.settings import DeribitSettings, configuration
from pipelines.partitions import ALL, Partition, Selection

__all__ = ["CHECKED", "FundingRates", "connect", "source"]

_NUMBERS = ("index_price", "prev_index_price", "interest_8h", "interest_1h")
CHECKED = pa.schema(
    [
        pa.field("instrument_name", pa.string()),
        pa.field("measured_at", pa.timestamp("us", "UTC")),
        *(pa.field(name, pa.float64()) for name in _NUMBERS),
    ]
)
_WINDOW = 7 * 86_400_000
"""Milliseconds of a request: how many rows one may hold is not documented."""


class FundingRates:
    """The funding of each configured perpetual."""

    def __init__(self, settings: DeribitSettings) -> None:
        self.settings = settings
        self._market: Market | None = None

    @property
    def market(self) -> Market:
        """Asked only when something is configured."""
        self._market = self._market or Market(self.settings)
        return self._market

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """A month of an instrument each."""
        names = self.settings.funding
        if not names:
            return []
        return months.plan(self.settings, self.market.now(), names, selection, published)

    def rows(self, month: Month) -> Iterator[dict[str, Any]]:
        """By the hour, ascending."""
        found: dict[int, dict[str, Any]] = {}
        for start in range(month.span.start, month.span.end + 1, _WINDOW):
            parameters = {
                "instrument_name": month.name,
                "start_timestamp": start,
                "end_timestamp": min(start + _WINDOW - 1, month.span.end),
            }
            rows = self.market.result("get_funding_rate_history", parameters, _picked)
            found |= {row["timestamp"]: row for row in rows}
        for at in sorted(found):
            moment = datetime.fromtimestamp(at / 1000, UTC)
            numbers = {name: found[at].get(name) for name in _NUMBERS}
            yield {"instrument_name": month.name, "measured_at": moment, **numbers}


def _picked(result: Any) -> list[dict[str, Any]]:
    if not isinstance(result, list) or not all(
        isinstance(row, dict) and isinstance(row.get("timestamp"), int) for row in result
    ):
        raise Malformed("a history of funding in which a row has no time")
    return result


def connect() -> FundingRates:
    """The configured perpetuals; nothing is reached where none is configured."""
    return FundingRates(configuration())


@dlt.source(name="deribit_funding_rates", max_table_nesting=0)
def source(
    rates: FundingRates, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> DltResource:
    """Land one month in `folder` and carry it to the destination."""
    return deliveries(rates, partition, folder, advance)


@dlt.resource(name="funding_rates_deliveries", write_disposition="append")
def deliveries(
    rates: FundingRates, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    """One row. Raises Unchanged when the month is as it is published."""
    month: Month = partition.detail
    where = f"deribit_funding_rates {partition.key}"
    rows = list(rates.rows(month))
    yield land(where, partition, folder, CHECKED, rows, month.published, advance, month.state)
