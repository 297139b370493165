"""Why cost changed: by usage, by price, or otherwise; on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.marts.cost_marts import CostMarts, at_noon, delivered, steady
from tests.support.marts.cost_marts import cost_marts as marts_of_cost
from tests.support.marts.engines import Row

SEPTEMBER = (date(2026, 9, 1), date(2026, 9, 30))
OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
DELIVERED = delivered(at_noon(date(2026, 11, 4)), "2026-09", "2026-10")


def of(days: tuple[date, date], paid: float, listed: float | None, **columns: Any) -> list[Row]:
    """A usage on each of these days, at list prices and as it was paid."""
    unknown = {"x_lines_without_list_cost": 24} if listed is None else {}
    return steady(*days, paid, **({"list_cost": listed, "tag_team": "shop"} | unknown | columns))


ROWS = [
    # 100 of list prices for 80, then 120 for 84
    *of(SEPTEMBER, 80.0, 100.0),
    *of(OCTOBER, 84.0, 120.0),
    # another account of the service, without a discount
    *of(SEPTEMBER, 8.0, 8.0, sub_account_id="data"),
    *of(OCTOBER, 6.0, 6.0, sub_account_id="data"),
    # new in October, gone since September, and without a list price
    *of(OCTOBER, 5.0, 5.0, service_name="Queue"),
    *of(SEPTEMBER, 7.0, 7.0, service_name="Cache"),
    *of(SEPTEMBER, 2.0, None, service_name="Support"),
    *of(OCTOBER, 3.0, None, service_name="Support"),
    # a day of October costs nobody knows what
    *of(SEPTEMBER, 4.0, 4.0, service_name="Unknown", sub_account_id="lab"),
    *of(OCTOBER, 4.0, 4.0, service_name="Unknown", sub_account_id="lab")[1:],
    *of(
        (OCTOBER[0], OCTOBER[0]),
        0.0,
        4.0,
        service_name="Unknown",
        sub_account_id="lab",
        effective_cost=None,
        x_lines_without_effective_cost=1,
    ),
]


@pytest.fixture(scope="module", params=["duckdb", "clickhouse"])
def marts(
    request: pytest.FixtureRequest, clickhouse_server: ClickHouseConfig
) -> Iterator[CostMarts]:
    server = clickhouse_server if request.param == "clickhouse" else None
    with marts_of_cost(ROWS, DELIVERED, clickhouse=server) as made:
        yield made


def causes(marts: CostMarts, kind: str) -> dict[str, tuple[float | None, ...]]:
    columns = "change_effective change_by_usage change_by_price change_otherwise".split()
    return {
        row["name"]: tuple(
            row[column] if row[column] is None else round(row[column], 9) for column in columns
        )
        for row in marts.table("cost_changes", "kind, id")
        if row["kind"] == kind and row["is_newest"]
    }


@pytest.mark.quick("duckdb")
def test_a_change_is_of_usage_of_price_or_of_neither(marts: CostMarts) -> None:
    at_old_share = 31 * 120 * 0.8
    by_usage, by_price = at_old_share - 30 * 80, 31 * 84 - at_old_share
    data = 31 * 6.0 - 30 * 8.0
    assert causes(marts, "service") == {
        "Compute": (by_usage + by_price + data, by_usage + data, by_price, 0.0),
        "Queue": (155.0, 0.0, 0.0, 155.0),
        "Cache": (-210.0, 0.0, 0.0, -210.0),
        "Support": (33.0, 0.0, 0.0, 33.0),
        "Unknown": (None, None, None, None),
    }


@pytest.mark.quick("duckdb")
def test_accounts_and_tag_values_have_their_causes(marts: CostMarts) -> None:
    assert causes(marts, "account")["data"] == (-54.0, -54.0, 0.0, 0.0)
    assert causes(marts, "tag_team") == {"shop": (None, None, None, None)}
    assert causes(marts, "tag_environment") == {"(none)": (None, None, None, None)}


@pytest.mark.quick("duckdb")
def test_changes_are_those_of_the_movers(marts: CostMarts) -> None:
    """But for what is not known, which a mover leaves out and a cause never does."""
    for kind in ("service", "account"):
        moved = {
            row["id"]: round(row["change_effective"], 9)
            for row in marts.table("cost_movers")
            if row["kind"] == kind and row["is_newest"] and row["id"] not in ("Unknown", "lab")
        }
        found = {name: change for name, (change, *_) in causes(marts, kind).items()}
        assert {n: c for n, c in found.items() if n not in ("Unknown", "lab")} == moved


def test_an_account_is_called_by_its_name_when_some_of_its_days_have_none(
    clickhouse_server: ClickHouseConfig,
) -> None:
    """A name below the id in the alphabet, so that the greater of the two would be the id."""
    first_days = (OCTOBER[0], date(2026, 10, 20))
    rows = [
        *steady(*first_days, 1.0, sub_account_id="z-7", sub_account_name="Payments"),
        *steady(date(2026, 10, 21), OCTOBER[1], 1.0, sub_account_id="z-7", sub_account_name=None),
    ]
    for server in (None, clickhouse_server):
        with marts_of_cost(rows, DELIVERED, clickhouse=server) as marts:
            found = marts.table("cost_movers", "kind, id")
            accounts = [
                (row["id"], row["name"], row["billed"]) for row in found if row["kind"] == "account"
            ]
        assert accounts == [("z-7", "Payments", 31.0)]
