"""The usage cost of a month as rows: one per day, entity and metric, in CHC.

    {"grandTotalCHC": 4.3127, "costs": [{"date": "2026-11-18", "entityType": "service", "entityId":
     "a1…", "metrics": {"computeCHC": 3.6, …}, "totalCHC": 3.715, "locked": true, …}, …]}

An entity's metrics add up to its totalCHC. Where they do not, because of a discount for example,
the rest is a row, too, with the meter <entityType>.rest: what is published is what is charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipelines.core.partition import PartitionError
from pipelines.providers.clickhouse_cloud.client import Organization

REST = "rest"
_NOTHING = Decimal("0.0000001")  # CHC: sums of the API's own rounded numbers
SCHEMA = pa.schema(
    [
        ("organization_id", pa.string()),
        ("organization_name", pa.string()),
        ("usage_date", pa.date32()),
        ("data_warehouse_id", pa.string()),
        ("service_id", pa.string()),
        ("entity_type", pa.string()),
        ("entity_id", pa.string()),
        ("entity_name", pa.string()),
        ("meter", pa.string()),
        ("amount_chc", pa.float64()),
        ("locked", pa.bool_()),
        ("grand_total_chc", pa.float64()),
    ]
)
Row = dict[str, Any]


def rows_of(result: Mapping[str, Any], of: Organization, first: date, last: date) -> list[Row]:
    """Every row, ordered. Raises PartitionError for an answer that is not as it is documented."""
    costs, total = result.get("costs"), result.get("grandTotalCHC")
    if not isinstance(costs, list):
        raise PartitionError(f"{_where(first)}: `costs` is not a list. {_STAYS}")
    grand = _number(total, "grandTotalCHC", first)
    if not costs and abs(grand) > _NOTHING:
        raise PartitionError(f"{_where(first)}: grandTotalCHC is {grand} without records. {_STAYS}")
    shared: Row = {
        "organization_id": of.id,
        "organization_name": of.name,
        "grand_total_chc": float(grand),
    }
    found: dict[tuple[date, str, str], list[Row]] = {}
    for cost in costs:
        rows = [shared | row for row in _rows(cost, first, last)]
        key = (rows[0]["usage_date"], rows[0]["entity_type"], rows[0]["entity_id"])
        if key in found:
            raise PartitionError(f"{_where(first)}: {key[1]} {key[2]} is there twice. {_STAYS}")
        found[key] = rows
    return [row for key in sorted(found) for row in found[key]]


def table(rows: Iterable[Row]) -> pa.Table:
    """The rows as they are landed."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def _rows(cost: Any, first: date, last: date) -> list[Row]:
    """The rows of one record, at least one."""
    try:
        day, kind, entity = (
            date.fromisoformat(cost["date"][:10]),
            cost["entityType"],
            cost["entityId"],
        )
        metrics, is_locked = dict(cost["metrics"] or {}), cost["locked"]
        if not (kind and entity and isinstance(kind, str) and isinstance(is_locked, bool)):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise PartitionError(
            f"{_where(first)}: a record without date, entity, metrics or locked. {_STAYS}"
        ) from None
    if not first <= day <= last:
        raise PartitionError(
            f"{_where(first)}: a record of {day}, which was not asked for. {_STAYS}"
        )
    shared = {
        "usage_date": day,
        "data_warehouse_id": cost.get("dataWarehouseId"),
        "service_id": cost.get("serviceId"),
        "entity_type": kind,
        "entity_id": str(entity),
        "entity_name": cost.get("entityName"),
        "locked": is_locked,
    }
    total = _number(cost.get("totalCHC"), "totalCHC", first)
    meters = _meters(kind, metrics, total, first)
    return [shared | {"meter": name, "amount_chc": float(amount)} for name, amount in meters]


def _meters(
    kind: str, metrics: Mapping[str, Any], total: Decimal, first: date
) -> Iterator[tuple[str, Decimal]]:
    amounts = {name: _number(value, name, first) for name, value in sorted(metrics.items())}
    yield from ((f"{kind}.{name}", amount) for name, amount in amounts.items())
    rest = total - sum(amounts.values())
    if abs(rest) > _NOTHING or not amounts:
        yield f"{kind}.{REST}", rest


def _number(value: Any, name: str, first: date) -> Decimal:
    """A finite number; None is none of it."""
    if value is None and name not in ("grandTotalCHC", "totalCHC"):
        return Decimal(0)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PartitionError(f"{_where(first)}: {name} is {value!r}, not a number. {_STAYS}")
    return Decimal(value)


def _where(first: date) -> str:
    return f"clickhouse_cloud {first:%Y-%m}"


_STAYS = "The published month stays; look for a change of ClickHouse Cloud's API."
