"""The marts of the overview against an independent calculation, on both engines.

What is calculated here goes row by row over the published cost lines; the marts are SQL.
"""

from __future__ import annotations

import calendar
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.schema.values import rows_of
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import ConfigurationError
from pipelines.marts.catalogue import DuckConnection
from pipelines.tables.daily import NAME, daily_columns
from pipelines.tables.schema import arrow_of, arrow_schema, deliveries_schema
from scripts.sandbox.aws.commitments import RESERVATIONS, SAVINGS_PLANS
from tests.support.estate import TAGS, Estate, configured
from tests.support.rill.project import Project
from tests.support.rill.sql import queries

OURS = (
    "fx_rates",
    "reporting_rates",
    "partial_months",
    "complete_through",
    "month_sources",
    "cost_days",
    "cost_projection",
    "cost_overview",
    "cost_movers",
    "commitments",
    "restatements",
    "newest_deliveries",
    "freshness",
)
OTHERS = {
    "revenue": "activity_date date",
    "normalized_fx": "rate_date date, currency text, units_per_eur decimal(38, 9)",
    "normalized_deribit": "trade_date date",
    "deribit__live_trades": "trade_date text, written_at timestamp",
    "runs": "word text, started_at timestamp, ended_at timestamp, outcome text",
}
LAST = date(2026, 10, 12)  # the newest day of use, in the middle of a month
VIEWS = Project.read().of("metrics_view")
Row = dict[str, Any]


@dataclass
class Marts:
    """The marts over cost lines up to a day, on one engine."""

    query: Any
    lines: list[Row] = field(default_factory=list)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(self.query(sql))

    def table(self, mart: str) -> list[Row]:
        """A mart's rows, as the report reads them."""
        names = [name for name, *_ in self.rows(f"describe {mart}")]
        columns = ", ".join(f'"{name}"' for name in names)
        found = self.rows(f"select {columns} from {mart}")
        return [dict(zip(names, row, strict=True)) for row in found]


@pytest.fixture(scope="module", params=["duckdb", "clickhouse"])
def marts(estate: Estate, request: pytest.FixtureRequest) -> Iterator[Marts]:
    """The demo's cost as it stood on LAST, and all of its deliveries."""
    paths = sorted(estate.data.glob("marts/costs/*.parquet"))
    names = [name for name in arrow_schema(TAGS).names if name != "tags"]
    lines = [row for path in paths for row in pq.ParquetFile(path).read(names).to_pylist()]
    lines = [row for row in lines if row["x_usage_date"] <= LAST]
    with configured(estate.environ):
        selects = mart_selects(SQL, TAGS)
    ours = [mart for mart in selects if mart.name in OURS]
    if request.param == "duckdb":
        with duckdb.connect(":memory:") as duck:
            duck.execute("set timezone = 'UTC'")
            for name, folder in ((NAME, f"marts/{NAME}"), ("deliveries", "deliveries")):
                cut = f"where x_usage_date <= '{LAST}'" if name == NAME else ""
                source = f"read_parquet('{estate.data}/{folder}/*.parquet')"
                duck.execute(f"create view {name} as from {source} {cut}")
            for name, columns in OTHERS.items():  # of sources that are not loaded here
                duck.execute(f"create table {name} ({columns})")
            for mart in ours:
                duck.execute(f"create view {mart.name} as {mart.select}")
            yield Marts(lambda sql: duck.execute(sql).fetchall(), lines)
        return
    scratch = estate.clickhouse.with_database(f"cut_{secrets.token_hex(6)}")
    with ClickHouseManager(estate.clickhouse) as manager:
        manager.execute(f"create database {scratch.database}")
        with ClickHouseManager(scratch) as server:
            whole = estate.clickhouse.database
            server.execute(
                f"create table {NAME} engine = Memory as "
                f"select * from {whole}.{NAME} where x_usage_date <= '{LAST}'"
            )
            for name in ("deliveries", *OTHERS):
                server.execute(f"create view {name} as select * from {whole}.{name}")
            for mart in ours:
                server.execute(f"create view {mart.name} as {mart.select}")
            yield Marts(server.execute, lines)
        manager.execute(f"drop database {scratch.database} sync")


def of_month(lines: list[Row], month: int, last: int = 31) -> list[Row]:
    return [
        row
        for row in lines
        if row["x_usage_date"].month == month and row["x_usage_date"].day <= last
    ]


def total(lines: list[Row], column: str) -> float:
    return sum(row[column] or 0 for row in lines)


def is_steady(row: Row) -> bool:
    """Whether it comes again every day."""
    span = row["charge_period_end"] - row["charge_period_start"]
    return (
        row["charge_category"] in ("Usage", "Purchase")
        and row["charge_frequency"] != "One-Time"
        and span <= timedelta(days=1)
    )


@pytest.mark.quick("duckdb")
def test_the_month_to_date_is_what_the_lines_say(marts: Marts) -> None:
    september, october = marts.table("cost_overview")
    now, before = of_month(marts.lines, 10), of_month(marts.lines, 9, LAST.day)
    steady = [row for row in now if is_steady(row)]
    usage = [
        row
        for row in now
        if row["charge_category"] == "Usage" and not row["x_line_item_type"].endswith("Discount")
    ]
    untagged = [r for r in usage if not any(r[f"tag_{tag.lower()}"] for tag in TAGS)]
    left = calendar.monthrange(2026, 10)[1] - LAST.day
    expected = {
        "month": date(2026, 10, 1),
        "as_of": LAST,
        "is_newest": 1,
        "month_state": "open",
        "is_partial": 0,
        "days_elapsed": 12,
        "days_in_month": 31,
        "line_items": len(now),
        "line_items_without_rate": 0,
        "line_items_without_cost": 0,
        "budget": 26500.5,
    } | {
        name: pytest.approx(value, rel=1e-9)
        for name, value in {
            "billed": total(now, "billed_cost"),
            "effective": total(now, "effective_cost"),
            "list": total(now, "list_cost"),
            "credits": total(now, "x_credit_amount"),
            "usage_effective": total(usage, "effective_cost"),
            "untagged_effective": total(untagged, "effective_cost"),
            "previous_billed": total(before, "billed_cost"),
            "previous_effective": total(before, "effective_cost"),
            "previous_month_billed": total(of_month(marts.lines, 9), "billed_cost"),
            "previous_month_effective": total(of_month(marts.lines, 9), "effective_cost"),
            "compared_billed": total(now, "billed_cost"),
            "compared_effective": total(now, "effective_cost"),
        }.items()
    }
    assert {name: october[name] for name in expected} == expected
    level = total(steady, "billed_cost") / LAST.day
    assert october["run_rate_billed"] == pytest.approx(level, rel=0.03)
    assert october["projected_billed"] == pytest.approx(october["billed"] + left * level, rel=0.02)
    assert october["projected_billed_low"] < october["projected_billed"]
    assert october["projected_billed"] < october["projected_billed_high"]
    assert 0 < october["untagged_effective"] < october["usage_effective"]
    assert (september["as_of"], september["is_newest"]) == (date(2026, 9, 30), 0)
    assert september["projected_billed"] == pytest.approx(september["billed"])
    assert [september[f"previous_{name}"] for name in ("billed", "effective")] == [None, None]
    assert september["budget"] == 31000.0


@pytest.mark.quick("duckdb")
def test_the_projection_repeats_days_and_not_what_is_charged_once(
    marts: Marts,
    estate: Estate,
) -> None:
    """Twelve days foretell the month within 5 % of what it came to: the demo's days are alike."""
    path = estate.data / "marts" / "costs" / "aws-2026-10.parquet"
    whole = sum(pq.ParquetFile(path).read(["billed_cost"])["billed_cost"].to_pylist())
    (_, october) = marts.table("cost_overview")
    naive = october["billed"] / LAST.day * 31
    assert abs(october["projected_billed"] / whole - 1) < 0.05
    assert abs(naive / whole - 1) > 0.2


@pytest.mark.quick("duckdb")
def test_movers_compare_the_same_days_and_add_up_to_the_month(marts: Marts) -> None:
    now, before = of_month(marts.lines, 10), of_month(marts.lines, 9, LAST.day)
    for kind, column in (("service", "service_name"), ("account", "sub_account_id")):
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for place, lines in enumerate((now, before)):
            for row in lines:
                sums[row[column]][place] += row["effective_cost"]
        found = [m for m in marts.table("cost_movers") if m["kind"] == kind and m["is_newest"]]
        assert {m["id"]: [m["effective"], m["previous_effective"]] for m in found} == {
            name: pytest.approx(values, abs=1e-9) for name, values in sums.items()
        }
        assert sum(m["change_effective"] for m in found) == pytest.approx(
            total(now, "effective_cost") - total(before, "effective_cost")
        )


@pytest.mark.quick("duckdb")
def test_commitments_are_what_they_paid_for_and_what_nobody_used(marts: Marts) -> None:
    for month in (9, 10):
        lines = of_month(marts.lines, month)
        used = [r for r in lines if r["commitment_discount_status"] == "Used"]
        unused = [r for r in lines if r["commitment_discount_status"] == "Unused"]
        plans = [u for u in used if u["commitment_discount_type"] == "Savings Plan"]
        of_plan = {u["x_commitment_family"] for u in plans}
        reserved = {u["service_name"] for u in used if u not in plans}
        on_demand = [
            r
            for r in lines
            if r["x_line_item_type"] == "Usage"
            and r["pricing_category"] == "Standard"
            and r["x_commitment_family"] != "none"
            and (r["x_commitment_family"] in of_plan or r["service_name"] in reserved)
        ]
        rows = [r for r in marts.table("commitments") if r["month"].month == month]
        assert [
            sum(r[name] for r in rows)
            for name in ("used_cost", "unused_cost", "covered_list", "on_demand_list")
        ] == [
            pytest.approx(value)
            for value in (
                total(used, "effective_cost"),
                total(unused, "effective_cost"),
                total(used, "list_cost"),
                total(on_demand, "list_cost"),
            )
        ]
        assert {r["commitment_id"] for r in rows if r["commitment_id"]} == {
            r["commitment_discount_id"] for r in (*used, *unused)
        }


@pytest.mark.quick("duckdb")
def test_commitments_say_when_they_end_and_in_how_many_days(marts: Marts) -> None:
    ends: dict[str, date | None] = {"": None}  # what is on demand
    for one in (*RESERVATIONS, *SAVINGS_PLANS):
        ends[one.arn] = one.start.replace(year=one.start.year + 1)
    days = {9: date(2026, 9, 30), 10: marts.table("cost_overview")[-1]["as_of"]}
    rows = marts.table("commitments")
    assert {r["commitment_id"] for r in rows} == ends.keys()
    for row in rows:
        end = ends[row["commitment_id"]]
        left = None if end is None else (end - days[row["month"].month]).days
        assert (row["ends_on"], row["days_left"]) == (end, left)


@pytest.mark.quick("duckdb")
def test_restatements_tell_first_restated_and_how_far(marts: Marts) -> None:
    rows = marts.table("restatements")
    assert [(r["source_partition"], r["delivery"], r["kind"], r["is_current"]) for r in rows] == [
        ("2026-09", 1, "first", 0),
        ("2026-09", 2, "restated", 1),
        ("2026-10", 1, "first", 1),
    ]
    first, second, _ = rows
    assert second["billed_change"] == pytest.approx(second["billed"] - first["billed"])
    assert second["month_billed"] == pytest.approx(second["billed"])
    assert second["line_items_change"] == second["line_items"] - first["line_items"] == -11
    assert second["billed"] == pytest.approx(total(of_month(marts.lines, 9), "billed_cost"))


@pytest.mark.quick("duckdb")
def test_freshness_is_the_newest_of_each_source(marts: Marts) -> None:
    (aws,) = marts.table("freshness")
    assert (aws["source"], aws["partitions"], aws["newest_partition"]) == ("aws", 2, "2026-10")
    assert aws["newest_day"] == LAST
    assert aws["newest_delivery"].isoformat().startswith("2026-11-03T06:15:00")


@pytest.mark.quick("duckdb")
def test_the_dashboards_headlines_are_what_the_lines_say(marts: Marts) -> None:
    """The measures of the metrics views, as Rill asks for them, from the lines themselves."""
    now, before = of_month(marts.lines, 10), of_month(marts.lines, 9, LAST.day)
    billed, billed_before = total(now, "billed_cost"), total(before, "billed_cost")
    overview = measured(marts, "overview", "cost_overview")
    assert overview["mtd_billed"] == pytest.approx(billed)
    assert overview["mtd_billed_before"] == pytest.approx(billed_before)
    assert overview["mtd_billed_change"] == pytest.approx(billed / billed_before - 1)
    assert overview["budget_share"] == pytest.approx(overview["projection"] / 26500.5)
    assert overview["month_billed"] == pytest.approx(total(marts.lines, "billed_cost"))
    costs = measured(marts, "costs", NAME)
    usage = [row for row in marts.lines if row["charge_category"] == "Usage"]
    unused = [r for r in marts.lines if r["commitment_discount_status"] == "Unused"]
    savings = (
        total(usage, "list_cost")
        - total(usage, "effective_cost")
        - total([r for r in unused if r["charge_category"] != "Usage"], "effective_cost")
    )
    assert costs["billed"] == pytest.approx(total(marts.lines, "billed_cost"))
    assert costs["effective"] == pytest.approx(total(marts.lines, "effective_cost"))
    assert costs["listed"] == pytest.approx(total(marts.lines, "list_cost"))
    assert costs["before_credits"] == pytest.approx(costs["billed"] - costs["credits"])
    assert costs["credits"] == pytest.approx(total(marts.lines, "x_credit_amount"))
    assert costs["savings"] == pytest.approx(savings)
    assert costs["savings_rate"] == pytest.approx(savings / total(usage, "list_cost"))
    assert costs["lines"] == len(marts.lines)
    movers = measured(marts, "movers", "cost_movers")
    change = total(now, "effective_cost") - total(before, "effective_cost")
    assert movers["moved_by"] == pytest.approx(2 * change)  # by service, and by account


def measured(marts: Marts, view: str, model: str) -> dict[str, float]:
    """Every measure of a view over all its rows; Rill's models have the names of our tables."""
    assert VIEWS[view]["model"] == model
    sql = dict(queries(VIEWS[view]))["in all"]
    (row,) = marts.rows(sql)
    names = [m["name"] for m in VIEWS[view]["measures"] if "window" not in m]
    return dict(zip(names, map(float, row), strict=True))


@pytest.mark.quick("duckdb")
def test_the_seven_day_average_is_the_mean_of_seven_days(marts: Marts) -> None:
    sql = dict(queries(VIEWS["costs"]))["over time"]
    names = [m["name"] for m in VIEWS["costs"]["measures"] if "window" not in m]
    names += [m["name"] for m in VIEWS["costs"]["measures"] if "window" in m]
    found = {
        row[0].isoformat()[:10]: dict(zip(names, row[1:], strict=True)) for row in marts.rows(sql)
    }
    week = [LAST - timedelta(days=n) for n in range(7)]
    lines = [row for row in marts.lines if row["x_usage_date"] in week]
    last = found[LAST.isoformat()]
    assert last["effective_7d_average"] == pytest.approx(total(lines, "effective_cost") / 7)


def test_marts_over_nothing_have_no_rows() -> None:
    connection = DuckConnection()
    connection.view(NAME, [], arrow_of(daily_columns(TAGS)))
    connection.view("deliveries", [], deliveries_schema())
    for name, columns in OTHERS.items():
        connection.duck.execute(f"create table {name} ({columns})")
    for mart in mart_selects(SQL, TAGS):
        if mart.name in OURS:
            connection.duck.execute(f"create view {mart.name} as {mart.select}")
            assert connection.query(f"select * from {mart.name}")[1] == []


def test_without_tag_columns_all_usage_is_untagged(estate: Estate) -> None:
    connection = DuckConnection()
    files = [str(path) for path in estate.data.glob(f"marts/{NAME}/*.parquet")]
    connection.view(NAME, files, arrow_of(daily_columns(())))
    connection.duck.execute(f"create table normalized_fx ({OTHERS['normalized_fx']})")
    selects = {mart.name: mart.select for mart in mart_selects(SQL, ())}
    for name in ("fx_rates", "reporting_rates"):
        connection.duck.execute(f"create view {name} as {selects[name]}")
    sql = f"select bool_and(untagged_effective = usage_effective) from ({selects['cost_days']})"
    assert connection.query(sql)[1] == [(True,)]


# Small tables of the project's own.


def written(folder: Path, text: str) -> Path:
    (folder / "budgets.csv").write_text(text, encoding="utf-8")
    return folder


def test_a_csv_becomes_a_select_on_both_engines(
    tmp_path: Path,
    estate: Estate,
) -> None:
    text = "day:date,name:text,amount:number\n2026-01,it's,1.50\n2026-02-03,,-2e3\n"
    select = f"select * from {rows_of('budgets', written(tmp_path, text))} as t order by day"
    expected = [(date(2026, 1, 1), "it's", 1.5), (date(2026, 2, 3), "", -2000.0)]
    assert duckdb.execute(select).fetchall() == expected
    with ClickHouseManager(estate.clickhouse) as manager:
        assert manager.execute(select) == expected
        empty = rows_of("budgets", written(tmp_path, "day:date,name:text,amount:number\n"))
        assert manager.execute(f"select * from {empty} as t") == []
    assert duckdb.execute(f"select * from {empty} as t").fetchall() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a\n1\n",
            "'a' is not a column. Write name:type, with one of the types text, date, number, "
            "currency, rate.",
        ),
        ("a:date\nsoon\n", "line 2: 'soon' is not a date for a."),
        ("a:number\n1\nnan\n", "line 3: 'nan' is not a number for a."),
        ("a:number,b:text\n1\n", "line 2: 1 cells, but the first line names 2."),
        ("a:text\na\\b\n", "line 2: 'a\\\\b' is not a text for a."),
        ("", "cannot be read"),
    ],
)
def test_a_csv_that_cannot_be_read_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        rows_of("budgets", written(tmp_path, text))
    assert message in str(error.value)


def test_a_budget_of_ones_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = written(tmp_path, "from_month:date,amount_usd:number\n2026-01,77\n") / "budgets.csv"
    monkeypatch.setenv("NORMALIZE__BUDGETS", str(own))
    assert "cast(77 as double) as amount_usd" in rows_of("budgets", SQL)
    monkeypatch.setenv("NORMALIZE__BUDGETS", str(tmp_path / "gone.csv"))
    with pytest.raises(ConfigurationError, match=r"gone\.csv cannot be read"):
        rows_of("budgets", SQL)
