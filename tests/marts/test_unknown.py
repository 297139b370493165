"""What a provider leaves out, or no rate converts, stops no mart on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from pipelines.tables import daily
from tests.support.marts.cost_marts import MARTS, CostMarts, cost_marts, delivered, steady, usage

DAY, BLANK = date(2026, 10, 5), date(2026, 10, 6)  # of the second day no cost at all is known
UNKNOWN = [
    usage(
        BLANK,
        1.0,
        **dict.fromkeys(("billed_cost", "effective_cost", "list_cost")),
        **dict.fromkeys((daily.WITHOUT_COST, *map(daily.without, daily.COSTS)), 24),
    ),
    usage(BLANK, 1.0, billing_currency="XYZ"),
    usage(DAY, 1.0, billing_currency=None),
    usage(DAY, 1.0, charge_frequency=None, x_line_item_type=None),
    usage(DAY, 1.0, service_name=None, sub_account_id=None),
    usage(DAY, 1.0, x_usage_date=None, billing_period_start=datetime(2026, 10, 1, tzinfo=UTC)),
    usage(DAY, 1.0, x_usage_date=None, billing_period_start=None),
]


@pytest.fixture(params=["duckdb", "clickhouse"])
def marts(request: pytest.FixtureRequest) -> Iterator[CostMarts]:
    server = None
    if request.param == "clickhouse":
        server = request.getfixturevalue("clickhouse_server")
    known = [*steady(date(2026, 9, 1), DAY), *steady(date(2026, 10, 7), date(2026, 10, 12))]
    deliveries = delivered(datetime(2026, 10, 20, tzinfo=UTC), "2026-09", "2026-10")
    with cost_marts([*known, *UNKNOWN], deliveries, clickhouse=server) as found:
        yield found


def test_every_mart_is_read_over_values_that_are_not_known(marts: CostMarts) -> None:
    for name in MARTS:
        marts.table(name)  # raises when an engine cannot compute it
    (october,) = [row for row in marts.table("cost_overview") if row["month"] == date(2026, 10, 1)]
    # eleven days of 100, and what has a cost, a currency with a rate and a day
    assert october["billed"] == pytest.approx(1102.0)
    assert october["line_items_without_cost"] + october["line_items_without_rate"] == 72
