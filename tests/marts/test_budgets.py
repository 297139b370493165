"""Budgets, shared cost and unit cost, by hand-made rows of cost with known figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.schema.allocation import allocation_of, team_of
from pipelines.clickhouse.schema.budgets import budgets_of
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import ConfigurationError
from tests.support.marts.daily_cost import line, marts_over
from tests.support.marts.engines import Row

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
BUDGETS = (
    "provider:text,account:text,service:text,tag_key:text,tag_value:text,product:text,"
    "from_month:date,amount:number,currency:currency\n"
)
ALLOCATION = "shared,column,value,split,to,share\n"
RATES = ((date(2026, 8, 31), "USD", "1.25"), (date(2026, 9, 30), "USD", "1.2"))


@pytest.fixture
def given_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that configured files are in; tags are Environment and Team."""
    monkeypatch.setenv("NORMALIZE__TAG_COLUMNS", '["Environment", "Team"]')
    for name in ("budgets", "allocation", "units"):
        monkeypatch.setenv(f"NORMALIZE__{name.upper()}", str(tmp_path / f"{name}.csv"))
    (tmp_path / "budgets.csv").write_text(BUDGETS)
    (tmp_path / "allocation.csv").write_text(ALLOCATION)
    (tmp_path / "units.csv").write_text("day:date,unit:text,quantity:number\n")
    return tmp_path


def days_of(first: date, count: int, cost: float, **columns: object) -> list[Row]:
    return [line(first + timedelta(days=n), cost, **columns) for n in range(count)]


@pytest.mark.quick("filesystem")
def test_a_budget_of_any_scope_is_burned_and_projected(
    config: ClickHouseConfig | None, given_files: Path
) -> None:
    (given_files / "budgets.csv").write_text(
        f"{BUDGETS},,,,,,2026-09,5000,EUR\naws,,EC2,Team,shop,,2026-09,400,USD\n"
        "aws,,EC2,Team,shop,,2026-10,500,USD\nGoogle,,,,,,2026-10,70,USD\n,,,,,,2026-11,1,JPY\n"
        ",1234,,,,,2026-10,10,JPY\n"
    )
    rows = days_of(SEPTEMBER, 30 + 9, 10.0, service_name="EC2", tag_team="shop")
    rows += [line(date(2026, 10, 10), 1.0, service_name="EC2", tag_team="shop")]  # not yet whole
    rows += [line(OCTOBER, 300.0, service_name="EC2", tag_team="shop", charge_frequency="One-Time")]
    google = {"x_source": "gcp", "provider_name": "Google"}
    rows += days_of(OCTOBER, 5, 2.0, **google)  # days behind
    with marts_over(rows, config, RATES) as query:
        found = query(
            "select month, as_of, provider, account, budget, round(burned, 6), "
            "round(projected, 6), round(projected_share, 6) from budgets"
        )
    september, october = date(2026, 9, 30), date(2026, 10, 9)
    assert found == [
        (SEPTEMBER, september, "", "", 6250.0, 300.0, 300.0, 0.048),
        (SEPTEMBER, september, "aws", "", 400.0, 300.0, 300.0, 0.75),
        # 9 whole days of 10, 5 of 2
        (OCTOBER, date(2026, 10, 5), "", "", 6000.0, 401.0, 610.0 + 62.0, 0.112),
        (OCTOBER, None, "", "1234", None, 0.0, 0.0, None),
        (OCTOBER, date(2026, 10, 5), "Google", "", 70.0, 10.0, 62.0, 0.885714),
        (OCTOBER, october, "aws", "", 500.0, 391.0, 610.0, 1.22),
    ]


def test_a_source_with_nothing_but_tax_burns_a_budget(given_files: Path) -> None:
    (given_files / "budgets.csv").write_text(f"{BUDGETS},,,,,,2026-10,100,USD\n")
    rows = [line(OCTOBER, 7.0, charge_category="Tax")]
    rows += days_of(OCTOBER, 3, 1.0, x_source="gcp", provider_name="Google")
    with marts_over(rows, None) as query:
        assert query("select burned from budgets") == [(10.0,)]


@pytest.mark.quick("filesystem")
def test_a_missing_cost_or_rate_makes_the_burned_part_null_and_is_counted(
    config: ClickHouseConfig | None, given_files: Path
) -> None:
    (given_files / "budgets.csv").write_text(f"{BUDGETS},,,,,,2026-10,100,USD\n")
    rows = [line(OCTOBER, 1.0), line(OCTOBER, None), line(OCTOBER, 1.0, billing_currency="XTS")]
    with marts_over(rows, config) as query:
        found = query("select burned, projected, line_items, line_items_without_cost from budgets")
    assert found == [(None, None, 3, 2)]


def test_budgets_of_all_cost_are_those_of_the_overview(given_files: Path) -> None:
    file = given_files / "budgets.csv"
    file.write_text(
        f"{BUDGETS},,,,,,2026-01,90,USD\naws,,,,,,2026-01,40,USD\n,,,,,,2026-02,9,EUR\n"
    )
    select = f"select from_month, amount_usd from {budgets_of('overall', given_files)}"
    assert duckdb.execute(select).fetchall() == [(date(2026, 1, 1), 90.0)]
    file.write_text("from_month:date,amount_usd:number\n2026-01,77\n")
    select = f"select from_month, amount_usd from {budgets_of('overall', given_files)}"
    assert duckdb.execute(select).fetchall() == [(date(2026, 1, 1), 77.0)]
    select = (
        f"select tag_column, product, amount, currency from {budgets_of('scoped', given_files)}"
    )
    assert duckdb.execute(select).fetchall() == [("", "", 77.0, "USD")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("month,amount\n", "its first line has to be"),
        (f"{BUDGETS},,,Owner,me,,2026-01,9,USD\n", "line 2: the tag Owner has no column"),
        (f"{BUDGETS},,,Team,,,2026-01,9,USD\n", "line 2: write a tag's key and its value"),
        (
            f"{BUDGETS},,,,,,2026-01,9,USD\n,,,,,,2026-01,8,USD\n",
            "line 3: another line has the same scope and month",
        ),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(
    text: str, message: str, given_files: Path
) -> None:
    (given_files / "budgets.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        budgets_of("scoped", given_files)


SHARED = f"""{ALLOCATION}support,service_name,Support,even,,
logs,service_name,Logs,tag,Environment=prod,
net,service_name,Net,cost,,
lake,service_name,Lake,fixed,shop,60
lake,service_name,Lake,fixed,new,15
"""


def shared_month(*costs: float) -> list[Row]:
    """Two teams, four shared services, and something without a team."""
    services = ("EC2", "EC2", "Support", "Logs", "Net", "Lake", "S3")
    teams: Mapping[int, dict[str, str]] = {
        0: {"tag_team": "shop", "tag_environment": "prod"},
        1: {"tag_team": "search", "tag_environment": "dev"},
    }
    return [
        line(OCTOBER, cost, service_name=service, **teams.get(number, {}))
        for number, (service, cost) in enumerate(zip(services, costs, strict=True))
    ]


@pytest.mark.quick("filesystem")
def test_shared_cost_is_split_and_the_rest_is_named(
    config: ClickHouseConfig | None, given_files: Path
) -> None:
    (given_files / "allocation.csv").write_text(SHARED)
    rows = shared_month(30.0, 10.0, 5.0, 7.0, 8.0, 100.0, 0.5)
    with marts_over([*rows, line(OCTOBER, None, service_name="Lake")], config) as query:
        found = query(
            "select team, shared, split, cost, line_items_without_cost from cost_allocated"
        )
    assert [(*row[:3], float(row[3]), row[4]) for row in found] == [
        ("new", "lake", "fixed", 15.0, 0),
        ("search", "", "direct", 10.0, 0),
        ("search", "net", "cost", 2.0, 0),
        ("search", "support", "even", 2.5, 0),
        ("shop", "", "direct", 30.0, 0),
        ("shop", "lake", "fixed", 60.0, 0),
        ("shop", "logs", "tag", 7.0, 0),
        ("shop", "net", "cost", 6.0, 0),
        ("shop", "support", "even", 2.5, 0),
        ("unallocated", "", "none", 0.5, 0),
        ("unallocated", "lake", "none", 25.0, 1),
    ]


def test_the_rows_of_a_month_add_up_to_its_cost_to_the_cent(given_files: Path) -> None:
    (given_files / "allocation.csv").write_text(SHARED)

    @settings(deadline=None)  # an example makes every table
    @given(st.lists(st.floats(-1000, 1000), min_size=7, max_size=7))
    def adds_up(costs: list[float]) -> None:
        with marts_over(shared_month(*costs), None) as query:
            ((total,),) = query("select coalesce(sum(cost), 0) from cost_allocated")
        assert abs(float(total) - sum(costs)) <= 0.005 + 1e-6
        assert total == total.quantize(Decimal("0.01"))

    adds_up()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shared,split\n", "its first line has to be shared,column,value,split,to,share"),
        (f"{ALLOCATION}a,service_name,S,half,,\n", "line 2: write what is shared"),
        (f"{ALLOCATION}a,service_name,S,fixed,shop,\n", "line 2: a fixed split needs a team"),
        (f"{ALLOCATION}a,service_name,S,tag,Owner,\n", "line 2: the tag Owner has no column"),
        (f"{ALLOCATION}a,nothing,S,even,,\n", "line 2: nothing is not a text column"),
        (
            f"{ALLOCATION}a,service_name,S,fixed,x,60\na,service_name,S,fixed,y,50\n",
            "the shares of a add up to 110",
        ),
        (
            f"{ALLOCATION}a,service_name,S,even,,\na,service_name,T,cost,,\n",
            "a is split in two ways",
        ),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused(
    text: str, message: str, given_files: Path
) -> None:
    (given_files / "allocation.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        allocation_of("rules", given_files)


def test_the_team_is_a_configured_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert team_of(["Environment", "Team"]) == "tag_team"
    assert team_of(["Environment"]) == "tag_environment"
    assert team_of([]) == "nullif('', '')"
    monkeypatch.setenv("NORMALIZE__TEAM_TAG", "environment")
    assert team_of(["Environment", "Team"]) == "tag_environment"
    monkeypatch.setenv("NORMALIZE__TEAM_TAG", "Owner")
    with pytest.raises(ConfigurationError, match="team_tag is 'Owner', which has no column"):
        team_of(["Environment", "Team"])


@pytest.mark.quick("filesystem")
def test_a_unit_costs_what_the_day_costs_by_its_quantity(
    config: ClickHouseConfig | None, given_files: Path
) -> None:
    (given_files / "units.csv").write_text(
        "day:date,unit:text,quantity:number\n2026-10-01,orders,8\n2026-10-01,orders,12\n"
        "2026-10-02,orders,5\n2026-10-03,orders,5\n2026-10-09,orders,5\n2026-10-04,orders,0\n"
    )
    rows = [line(OCTOBER, 30.0), line(OCTOBER, 10.0), line(date(2026, 10, 4), 2.0)]
    rows += [line(date(2026, 10, 3), None)]
    with marts_over(rows, config) as query:
        found = query('select "date", quantity, cost, cost_per_unit from unit_cost')
    assert found == [
        (OCTOBER, 20.0, 40.0, 2.0),
        (date(2026, 10, 2), 5.0, 0.0, 0.0),
        (date(2026, 10, 3), 5.0, None, None),
        (date(2026, 10, 4), 0.0, 2.0, None),
        (date(2026, 10, 9), 5.0, None, None),
    ]
