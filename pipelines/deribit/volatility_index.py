"""Deribit's volatility index DVOL, one row per hour; for the configured currencies."""

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

__all__ = ["CHECKED", "VolatilityIndex", "connect", "source"]

CHECKED = pa.schema(
    [
        pa.field("currency", pa.string()),
        pa.field("measured_at", pa.timestamp("us", "UTC")),
        *(pa.field(name, pa.float64()) for name in ("open", "high", "low", "close")),
    ]
)
_HOUR = 3600


class VolatilityIndex:
    """The index of each configured currency."""

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
        """A month of a currency each."""
        names = self.settings.volatility_index
        if not names:
            return []
        return months.plan(self.settings, self.market.now(), names, selection, published)

    def rows(self, month: Month) -> Iterator[dict[str, Any]]:
        """By the hour, ascending; the API walks backwards, by `continuation`."""
        found: dict[int, list[float]] = {}
        end: int | None = month.span.end
        while end is not None and end >= month.span.start:
            parameters = {
                "currency": month.name,
                "start_timestamp": month.span.start,
                "end_timestamp": end,
                "resolution": _HOUR,
            }
            rows, following = self.market.result("get_volatility_index_data", parameters, _picked)
            found |= {row[0]: row[1:] for row in rows if month.span.start <= row[0]}
            end = following if following is None or following < end else None
        for at in sorted(found):
            prices = zip(("open", "high", "low", "close"), found[at], strict=True)
            moment = datetime.fromtimestamp(at / 1000, UTC)
            yield {"currency": month.name, "measured_at": moment, **dict(prices)}


def _picked(result: Any) -> tuple[list[list[Any]], int | None]:
    if not isinstance(result, dict) or not isinstance(result.get("data"), list):
        raise Malformed("a volatility index without data")
    rows = result["data"]
    if not all(isinstance(row, list) and len(row) == 5 for row in rows):
        raise Malformed("a volatility index whose rows are not of five values")
    return rows, result.get("continuation")


def connect() -> VolatilityIndex:
    """The configured index; nothing is reached where none is configured."""
    return VolatilityIndex(configuration())


@dlt.source(name="deribit_volatility_index", max_table_nesting=0)
def source(
    index: VolatilityIndex, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> DltResource:
    """Land one month in `folder` and carry it to the destination."""
    return deliveries(index, partition, folder, advance)


@dlt.resource(name="volatility_index_deliveries", write_disposition="append")
def deliveries(
    index: VolatilityIndex, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    """One row. Raises Unchanged when the month is as it is published."""
    month: Month = partition.detail
    where = f"deribit_volatility_index {partition.key}"
    rows = list(index.rows(month))
    yield land(where, partition, folder, CHECKED, rows, month.published, advance, month.state)
