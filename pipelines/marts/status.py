"""What is published: one row per partition, from the data itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.core.finality import describe, moments_of
from pipelines.core.partition import Delivery, Selection
from pipelines.core.registry import tables
from pipelines.core.text import age, size
from pipelines.destinations.filesystem.store import Store
from pipelines.destinations.layout import RawTable

if TYPE_CHECKING:
    from pipelines.destinations.clickhouse.warehouse import Warehouse

COLUMNS = ("partition", "rows", "billed", "effective", "currency", "files", "size",
           "delivered at (UTC)", "loaded at (UTC)", "age", "restated", "state")  # fmt: skip
WHOLE = ("partition", "currency", "delivered at (UTC)", "loaded at (UTC)")
RIGHT = ("rows", "billed", "effective", "files", "size", "age", "restated")


@dataclass(frozen=True)
class Row:
    """One partition. `billed` and `effective` in `currency`; `restated` counts later deliveries.

    `rows`, `files` and `bytes` are of raw; where it came normalised, of what came.
    """

    partition: str
    rows: int
    billed: float | None
    effective: float | None
    currency: str | None
    files: int
    bytes: int
    delivered_at: datetime
    loaded_at: datetime
    restated: int
    state: str

    def cells(self) -> tuple[object, ...]:
        """The row as `COLUMNS` names it."""
        return (
            self.partition, self.rows, self.billed, self.effective, self.currency, self.files,
            size(self.bytes), self.delivered_at, self.loaded_at, age(self.delivered_at),
            self.restated or None, self.state,
        )  # fmt: skip


def rows(raw_table: RawTable, destination: Store | Warehouse) -> list[Row]:
    """One Row per loaded partition of a source, by key."""
    if isinstance(destination, Store):
        return _rows_of_store(raw_table, destination)
    return _rows_of_warehouse(raw_table, destination)


_PARTITIONS = """
with history as (
    select
        partition,
        max(published_at) as last_published,
        argMax(tuple(d.fingerprint, d.rows, d.delivered_at), published_at) as last,
        argMax(tuple(d.billed, d.effective, d.billing_currency), published_at) as money,
        argMax(tuple(d.files, d.bytes), published_at) as size,
        arrayMap(entry -> entry.2, arraySort(groupArray((published_at, d.fingerprint)))) as marks
    from deliveries as d
    where word = %(word)s
    group by partition
),

loaded as (
    select partition, fingerprint, "rows", delivered_at, loaded_at, false as is_ingested
    from raw_partitions
    where word = %(word)s
    union all
    select partition, last.1, last.2, ifNull(last.3, last_published), last_published, true
    from history
    where partition not in (select partition from raw_partitions where word = %(word)s)
),

offered as (
    select partition, fingerprint from provider_partitions final where word = %(word)s
)

select
    loaded.partition,
    loaded."rows",
    money.1,
    money.2,
    money.3,
    size.1,
    size.2,
    loaded.delivered_at,
    loaded.loaded_at,
    arrayCount((one, other) -> one != other, arrayPopFront(marks), arrayPopBack(marks)),
    loaded.fingerprint,
    offered.fingerprint,
    is_ingested
from loaded
left join history on history.partition = loaded.partition
left join offered on offered.partition = loaded.partition
order by loaded.partition
"""


def _rows_of_warehouse(raw_table: RawTable, warehouse: Warehouse) -> list[Row]:
    current, ingested = warehouse.published(raw_table), warehouse.ingested(raw_table)
    kept = Selection(warehouse.retention(raw_table).horizon().first)
    finality = _finality(raw_table, warehouse, current)
    found = []
    for row in warehouse.manager.execute(_PARTITIONS, {"word": raw_table.source_name}):
        *values, restated, fingerprint, offered, is_ingested = row
        partition, count, billed, effective, currency, files, size_, delivered, loaded = values
        if is_ingested and partition not in ingested and partition not in kept:
            continue  # pruned: only the history knows it
        if offered not in ("", fingerprint):
            state = "a newer delivery is waiting"
        elif is_ingested:  # no raw data here to compare with
            known = ingested.get(partition, "").startswith(f"{fingerprint}/")
            state = "ingested" if known else "to be ingested again"
        else:
            state = "current" if current.get(partition) == fingerprint else "to be loaded again"
        money = (billed, effective, currency)
        times, state = (delivered, loaded), finality(state, partition, fingerprint)
        found.append(Row(partition, count, *money, files or 0, size_ or 0, *times, restated, state))
    return found


def _rows_of_store(raw_table: RawTable, store: Store) -> list[Row]:
    footers = store.footers(raw_table)
    provider = {entry["partition"]: entry["fingerprint"] for entry in store.provider(raw_table)}
    found = []
    deliveries = store.deliveries(raw_table)
    finality = _finality(raw_table, store, deliveries)
    for partition, delivery in sorted(deliveries.items()):
        history = store.rows_of_history(raw_table.source_name, partition)
        footer = footers.get(partition)
        row = _row(delivery, history, footer, provider.get(partition))
        state = finality(row.state, partition, delivery.fingerprint)
        found.append(replace(row, state=state))
    return found


def _finality(
    raw_table: RawTable, destination: Store | Warehouse, published: Collection[str]
) -> Callable[[str, str, str], str]:
    """Adds to a state whether its partition is final or since when it is open."""
    entry = next(
        (each for each in tables() if each.raw_table.source_name == raw_table.source_name), None
    )
    calendar = entry.calendar() if entry and published else None
    column = entry.scope_column if entry else ""
    moments = moments_of(destination.readings(raw_table), published, column) if calendar else {}

    def with_finality(state: str, partition: str, fingerprint: str) -> str:
        found = entry.finality(fingerprint, partition) if entry else ""
        if calendar and not state.startswith("ingested"):
            found = describe(calendar, partition, moments.get(partition, {}))
        return ", ".join(part for part in (state, found) if part)

    return with_finality


def _row(
    delivery: Delivery,
    history: list[dict[str, Any]],
    footer: Mapping[str, str] | None,
    offered: str | None,
) -> Row:
    last = history[-1] if history else {}
    fingerprints = [row["fingerprint"] for row in history]
    return Row(
        partition=delivery.partition,
        rows=delivery.rows,
        billed=last.get("billed"),
        effective=last.get("effective"),
        currency=last.get("billing_currency"),
        files=len(delivery.files),
        bytes=delivery.bytes,
        delivered_at=delivery.delivered_at,
        loaded_at=delivery.loaded_at,
        restated=sum(one != other for one, other in itertools.pairwise(fingerprints)),
        state=_state(delivery, footer, offered),
    )


def _state(delivery: Delivery, footer: Mapping[str, str] | None, offered: str | None) -> str:
    if offered is not None and offered != delivery.fingerprint:
        return "a newer delivery is waiting"
    if footer is None or footer.get("fingerprint") != delivery.fingerprint:
        return "to be normalised"
    return "current"
