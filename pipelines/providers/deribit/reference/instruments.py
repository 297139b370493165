"""Deribit's inventory, one row per instrument: the active ones now, the expired ones once a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.landing import HINTS, Landing, Plan, everything
from pipelines.core.partition import ALL, Delivery, Partition, Selection
from pipelines.providers.deribit.market import Market
from pipelines.providers.deribit.reference.landing import land
from pipelines.providers.deribit.settings import DeribitSettings, configuration

__all__ = ["CHECKED", "Instruments", "connect", "source"]

CHECKED = pa.schema(
    [
        ("instrument_name", pa.string()),
        ("kind", pa.string()),
        ("instrument_type", pa.string()),
        ("base_currency", pa.string()),
        ("quote_currency", pa.string()),
        ("counter_currency", pa.string()),
        ("settlement_currency", pa.string()),
        ("settlement_period", pa.string()),
        ("option_type", pa.string()),
        ("strike", pa.float64()),
        ("creation_timestamp", pa.int64()),
        ("expiration_timestamp", pa.int64()),
        ("contract_size", pa.float64()),
        ("min_trade_amount", pa.float64()),
        ("tick_size", pa.float64()),
        ("maker_commission", pa.float64()),
        ("taker_commission", pa.float64()),
        ("price_index", pa.string()),
        ("instrument_id", pa.int64()),
        ("state", pa.string()),
        ("is_active", pa.bool_()),
    ]
)


class Instruments:
    """What can be and could be traded in the configured currencies."""

    def __init__(self, settings: DeribitSettings) -> None:
        self.settings = settings
        self.market = Market(settings)
        self.today = f"{self.market.now():%Y%m%d}"

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """One per currency of the active ones, and of the expired ones where wanted."""
        now = self.market.now()
        states = ("active", "expired") if self.settings.expired_instruments else ("active",)
        found = []
        for state in states:
            for currency in sorted(self.settings.currencies):
                key = f"{state}.{currency}"
                current = published.get(key, "")
                is_today = state == "expired" and current.startswith(f"{self.today}-")
                known = None if selection.force else current or None
                fingerprint = current if is_today else ""
                found.append(Partition(key, fingerprint, now, 1, 0, (state, currency, known)))
        return found


def connect() -> Instruments:
    """The lists of the configured currencies, ready to plan."""
    return Instruments(configuration())


@dlt.source(name="deribit_instruments", section="deribit", max_table_nesting=0)
def source(plan: Plan[Instruments] | None = None) -> DltResource:
    """The instruments of each currency, active and expired."""
    made: DltResource = instruments(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="instruments", **HINTS)
def instruments(plan: Plan[Instruments]) -> Iterator[Any]:
    """One row per instrument. Raises Unchanged when the listing is published already."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "listing")


def _land(listing: Instruments, landing: Landing) -> Delivery:
    state, currency, known = landing.partition.detail
    found: dict[str, dict[str, Any]] = {}
    kinds = [kind for kind in listing.settings.kinds if kind != "combo"] or ["any"]
    for kind in kinds:
        for record in listing.market.instruments(currency, kind, state == "expired"):
            found[record["instrument_name"]] = record | {"expiration_timestamp": _ends(record)}
    rows = [found[name] for name in sorted(found)]
    day = f"{listing.today}-" if state == "expired" else ""
    return land("deribit_instruments", landing, CHECKED, rows, known, day)


def _ends(record: Mapping[str, Any]) -> Any:
    """The time of expiry, which the history host calls `expiry`."""
    return record.get("expiration_timestamp", record.get("expiry"))
