"""What the example company uses in ClickHouse Cloud: records by day and entity, in CHC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

ORGANIZATION = "0f0f0f0f-0000-4000-8000-000000000001"
WAREHOUSE = "eeeeeeee-0000-4000-8000-000000000002"
PROD = "a1a1a1a1-0000-4000-8000-000000000003"
READERS = "a1a1a1a1-0000-4000-8000-000000000004"
PIPE = "c3c3c3c3-0000-4000-8000-000000000005"
LOCKED_AFTER = timedelta(days=5)

Record = dict[str, Any]


def records(first: date, last: date, today: date) -> list[Record]:
    """The records of the days first to last, both included; those of five days are not locked."""
    days = (first + timedelta(n) for n in range((last - first).days + 1))
    return [record for day in days for record in _day(day, today - day > LOCKED_AFTER)]


def record(day: date, kind: str, entity: str, name: str, **metrics: str) -> Record:
    """One record as the API sends it, locked; its total is the sum of its metrics."""
    amounts = {f"{metric}CHC": Decimal(amount) for metric, amount in metrics.items()}
    return {
        "dataWarehouseId": WAREHOUSE,
        "serviceId": {"datawarehouse": None, "service": entity}.get(kind, PROD),
        "date": day.isoformat(),
        "entityType": kind,
        "entityId": entity,
        "entityName": name,
        "metrics": amounts,
        "totalCHC": sum(amounts.values(), Decimal(0)),
        "locked": True,
    }


def _day(day: date, is_locked: bool) -> Iterator[Record]:
    """Storage grows, compute follows the week, and the readers rest on Sundays."""
    age = day.toordinal() - date(2026, 1, 1).toordinal()
    stored, is_sunday = Decimal("0.3100") + age * Decimal("0.0007"), day.weekday() == 6
    found = [
        record(day, "datawarehouse", WAREHOUSE, "prod warehouse", storage=f"{stored}",
               backup="0.0512"),
        record(day, "service", PROD, "prod", compute="2.4000" if is_sunday else "5.7600",
               publicDataTransfer="0.1150", interRegionTier1DataTransfer="0"),
        record(day, "clickpipe", PIPE, "kafka-pipe", compute="0.4810", dataTransfer="0.0350",
               initialLoad="0"),
    ]  # fmt: skip
    if not is_sunday:
        found.append(
            record(day, "service", READERS, "readers", compute="1.9200",
                   publicDataTransfer="0.0400", interRegionTier1DataTransfer="0.0221")
        )  # fmt: skip
    return (each | {"locked": is_locked} for each in found)
