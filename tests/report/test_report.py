"""The report's numbers are the marts', on both destinations; the command and its month."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.cli import report
from pipelines.core.partition import now
from pipelines.report.page import answers, page
from tests.support.browser import Figure, figures
from tests.support.demo import Demo, configured_of, demo  # noqa: F401 (a fixture)
from tests.support.estate import Estate, configured
from tests.support.first_page import Query, first_page
from tests.support.published_clickhouse import query

TITLES = [
    "This month against last month",
    "Month end against budget",
    "What changed most, and why",
    "Anomalies",
    "By team and product",
    "Commitments",
    "Unit cost",
    "Revenue, fees and margin",
    "What was restated, and what is still open",
    "Freshness, completeness, agreement with the providers",
]


@pytest.fixture(scope="module", params=report.DESTINATIONS)
def written(
    estate: Estate,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, str]:
    """The report of a destination, written by the command."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    with configured(estate.environ):
        assert report.main(["--destination", request.param, "--out", str(out)]) == 0
    return request.param, out.read_text(encoding="utf-8")


def parquet(data: Path) -> Query:
    """Queries over the published files, past the report's own way to read them."""

    def rows(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(":memory:") as duck:
            duck.execute("set timezone = 'UTC'")
            for mart in (data / "marts").iterdir():
                duck.execute(f"create view {mart.name} as from '{mart}/*.parquet'")
            return duck.execute(sql).fetchall()

    return rows


def queries(estate: Estate, destination: str) -> Query:
    if destination == "filesystem":
        return parquet(estate.data)
    return lambda sql: query(estate.clickhouse, sql)


def by_name(found: Sequence[Figure]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for each in found:
        values.setdefault(each.name, []).append(_value(each.value))
    return values


def _value(text: str) -> Any:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    return float(text) if text else None


def near(expected: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: [_near(value) for value in values] for name, values in expected.items()}


def _near(value: Any) -> Any:
    if isinstance(value, int | float | Decimal):
        return pytest.approx(float(value), rel=1e-9, abs=1e-9)
    return value


def questions(html: str) -> list[str]:
    return re.findall(r"<h2 id=\"q\d+-title\"><span>\d+</span> (.*?)</h2>", html)


def first(html: str) -> str:
    return html.partition('<div class="charts">')[0]


@pytest.mark.quick("filesystem")
def test_the_ten_questions_are_answered_by_the_marts(
    estate: Estate, written: tuple[str, str]
) -> None:
    """Every figure of the first page, on both destinations."""
    destination, html = written
    assert questions(html) == TITLES
    assert by_name(figures(first(html))) == near(first_page(queries(estate, destination)))
    assert "<h1>Cloud cost, October 2026</h1>" in html
    assert "as of 31 October 2026" in html


def test_without_revenue_there_is_no_margin(written: tuple[str, str]) -> None:
    """Stripe is not configured: cost alone was once shown as a margin of -7,505."""
    names = {each.name for each in figures(written[1])}
    assert not {name for name in names if "margin" in name or "revenue" in name}
    assert "No revenue is loaded" in written[1]
    assert 'id="chart-margin"' not in written[1]


def test_a_company_with_everything_has_every_answer(demo: Demo) -> None:  # noqa: F811
    """The demo: three clouds, revenue, budgets, products, shared cost and orders."""
    with configured_of(demo):
        found, source = report.read("filesystem")
        html = page(found, source=source, made_at=now())
    assert questions(html) == TITLES
    assert by_name(figures(first(html))) == near(first_page(parquet(demo.data)))
    without = [a.title for a in answers(found, now()) if not a.body]
    assert without == ["Anomalies"]  # nothing unusual happens to it in October


@pytest.mark.quick("filesystem")
def test_the_tables_are_the_rows_of_the_marts(estate: Estate, written: tuple[str, str]) -> None:
    destination, html = written
    rows = queries(estate, destination)
    for kind, table in (("service", "services"), ("account", "accounts")):
        expected = rows(
            "select name, effective, previous_effective, change_effective, billed from cost_movers "
            f"where kind = '{kind}' "
            "order by month desc, abs(coalesce(change_effective, 0)) desc, effective desc, id"
        )
        assert cells(html, table, "name effective previous_effective change_effective billed") == [
            [name, *map(_near, numbers)] for name, *numbers in expected
        ]
    (restated,) = rows(
        "select source_partition, kind, line_items_change, billed_change, month_billed "
        "from restatements where kind = 'restated'"
    )
    columns = "source_partition kind line_items_change billed_change month_billed"
    assert cells(html, "restatements", columns) == [list(map(_near, restated))]
    resources = rows(
        "select resource_id, sum(effective_cost) as cost from costs_daily "
        "where extract(month from x_usage_date) = 10 and resource_id is not null "
        "group by resource_id, provider_name, service_name, sub_account_id, billing_currency "
        "order by round(cost, 6) desc, resource_id, service_name, sub_account_id limit 25"
    )
    # those that changed most come after the most expensive ones
    assert cells(html, "resources", "resource_id effective")[:25] == [
        [name, _near(cost)] for name, cost in resources
    ]


def cells(html: str, table: str, columns: str) -> list[list[Any]]:
    """These columns of a table's rows, with numbers as such."""
    wanted = [f"{table}.{column}" for column in columns.split()]
    found = [each for each in figures(html) if each.name in wanted]
    values = [_number_or_text(each.value) for each in found]
    return [values[n : n + len(wanted)] for n in range(0, len(values), len(wanted))]


def _number_or_text(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value or None


def test_every_figure_links_to_a_table_that_is_there(written: tuple[str, str]) -> None:
    html = written[1]
    tables = set(re.findall(r'<table id="([\w-]+)"', html))
    linked = {each.rows for each in figures(first(html))}
    assert linked <= tables
    assert {"months", "services", "accounts", "resources", "teams", "commitments"} <= tables


def test_every_chart_has_its_numbers_in_a_table(written: tuple[str, str]) -> None:
    found = re.findall(r'<figure class="chart.*?</figure>', written[1], re.DOTALL)
    assert [re.findall(r' id="([\w-]+)"', chart) for chart in found] == [
        [f"chart-{name}", f"chart-{name}-rows"] for name in "days months teams commitments".split()
    ]
    assert [chart.count("<svg class=") >= 2 for chart in found] == [True] * 4


def test_both_destinations_say_the_same(estate: Estate) -> None:
    with configured(estate.environ):
        one, other = (report.read(destination)[0] for destination in report.DESTINATIONS)
        pages = [page(each, source="", made_at=now()) for each in (one, other)]
    times = re.compile("published|last_run")  # each destination has its own, to the minute
    found = [[each for each in figures(html) if not times.search(each.name)] for html in pages]
    assert [(each.name, each.text) for each in found[0]] == [
        (each.name, each.text) for each in found[1]
    ]


def test_an_earlier_month_is_shown_as_it_ended(estate: Estate, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    with configured(estate.environ):
        assert report.main(["--month", "2026-09", "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert "<h1>Cloud cost, September 2026</h1>" in html
    (expected,) = parquet(estate.data)(
        "select billed, effective from cost_overview where month = date '2026-09-01'"
    )
    found = by_name(figures(first(html)))
    assert (*found["billed"], *found["effective"]) == tuple(map(_near, expected))
    assert "The month is over: 1–30 September 2026" in html


def test_a_month_without_cost_and_one_that_is_none_are_errors(
    estate: Estate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "page.html")
    with configured(estate.environ):
        assert report.main(["--month", "2025-01", "--out", out]) == 1
    assert capsys.readouterr().err == (
        "error: No cost in 2025-01. Months with cost: 2026-09 to 2026-10.\n"
    )
    with pytest.raises(SystemExit, match="2"):
        report.main(["--month", "2026-13", "--out", out])
    assert "'2026-13' is not a month such as 2026-09" in capsys.readouterr().err


def test_a_destination_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_DESTINATION", "paper")
    assert report.main([]) == 2
    assert capsys.readouterr().err == (
        "error: The destination is 'paper'. Set it to one of: filesystem, clickhouse.\n"
    )
