"""What the demo's company says of itself: budgets, products, shared cost, and orders by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

BUDGETS = """
provider:text,account:text,service:text,tag_key:text,tag_value:text,product:text,from_month:date,amount:number,currency:currency
,,,,,,2026-07,29000,USD
,,,Team,data,,2026-07,4000,USD
gcp,,,,,,2026-10,2500,USD
"""
PRODUCTS = """
product,of,column,value
shop,cost,tag_team,checkout
shop,cost,tag_team,platform
lake,cost,tag_team,data
shop,revenue,account,main
"""
ALLOCATION = """
shared,column,value,split,to,share
support,service_name,AWS Support (Business),cost,,
"""
ORDERS = (date(2026, 7, 1), date(2026, 10, 31))


def write(folder: Path) -> dict[str, str]:
    """Write the files; returns the variables that name them."""
    files = {
        "budgets": BUDGETS.lstrip(),
        "products": PRODUCTS.lstrip(),
        "allocation": ALLOCATION.lstrip(),
        "units": "\n".join(["day:date,unit:text,quantity:number", *_orders(), ""]),
    }
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return {f"NORMALIZE__{name.upper()}": str(folder / f"{name}.csv") for name in files}


def _orders() -> Iterator[str]:
    """More orders every day, fewer at weekends."""
    first, last = ORDERS
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        yield f"{day},orders,{(900 + 4 * number) * (3 if day.weekday() > 4 else 5) // 5}"
