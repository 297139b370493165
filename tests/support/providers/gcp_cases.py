"""Rows of billing exports from the field, tests/data/gcp/cases, and rows by their rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from scripts.sandbox.gcp.schema import PARTITION_TIME
from tests.support.providers.raw_gcp import LINE, Row

CASES = Path(__file__).parents[2] / "data" / "gcp" / "cases"
_TIMES = ("usage_start_time", "usage_end_time", "export_time", PARTITION_TIME)
_DECIMALS = ("cost_at_effective_price_default", "cost_at_list_consumption_model")


def case(name: str) -> Any:
    """The document of a case."""
    return json.loads((CASES / f"{name}.json").read_text())


def typed(row: Row) -> Row:
    """A row of a case with the types of the export."""
    price = row["price"]
    numbers = {name: Decimal(price[name]) for name in price if name != "unit"}
    return (
        row
        | {name: datetime.fromisoformat(row[name]) for name in _TIMES}
        | {name: Decimal(row[name]) for name in _DECIMALS}
        | {"price": price | numbers}
    )


def used(
    day: date, cost: float, *, exported: datetime | None = None, hour: int = 7, **changes: Any
) -> Row:
    """A line of one hour's use, exported at 20:00 of its day unless it says when."""
    start = datetime.combine(day, time(hour), UTC)
    moment = exported or datetime.combine(day, time(20), UTC)
    return (
        LINE
        | {
            "usage_start_time": start,
            "usage_end_time": start + timedelta(hours=1),
            "export_time": moment,
            PARTITION_TIME: moment.replace(hour=0),
            "invoice": {"month": f"{day:%Y%m}", "publisher_type": "GOOGLE"},
            "cost": cost,
            "cost_at_list": cost,
            "cost_at_effective_price_default": Decimal(str(cost)),
        }
        | changes
    )


def each_day(first: str, last: str) -> Iterator[date]:
    """Days, both ends included."""
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        yield day
        day += timedelta(days=1)


def filled_back(first: str, last: str, switched: str, cost: float = 10.0) -> list[Row]:
    """What Google appends to a new table of the time before it, over three days."""
    begin = datetime.combine(date.fromisoformat(switched), time(3), UTC)
    days = list(each_day(first, last))
    return [
        used(day, cost, exported=begin + timedelta(days=number * 3 // len(days)))
        for number, day in enumerate(days)
    ]
