"""The report: its numbers are the marts', on both destinations, and a browser shows them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.cli import report
from pipelines.report import figures
from pipelines.report.notes import source_notes
from pipelines.report.page import page, percent
from tests.support.browser import Seen, visit
from tests.support.estate import Estate, configured
from tests.support.published_clickhouse import query

MADE_AT = datetime(2026, 11, 4, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="module", params=report.DESTINATIONS)
def written(
    estate: Estate,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """The report of a destination, written by the command."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    with configured(estate.environ):
        assert report.main(["--destination", request.param, "--out", str(out)]) == 0
    return request.param, out


@pytest.fixture(scope="module")
def seen(written: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return visit(written[1], tmp_path_factory.mktemp("browser"))


def rows(estate: Estate, destination: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a mart, past the report's own way to read it."""
    if destination == "clickhouse":
        return query(estate.clickhouse, sql)
    with duckdb.connect(":memory:") as duck:
        duck.execute("set timezone = 'UTC'")
        for mart in ("cost_overview", "cost_movers", "commitments", "restatements", "freshness"):
            duck.execute(f"create view {mart} as from '{estate.data}/marts/{mart}/*.parquet'")
        return duck.execute(sql).fetchall()


def test_a_browser_draws_it_without_an_error_or_a_request(seen: Seen) -> None:
    assert (seen.console, seen.requests) == ([], [])
    for chart in ("days", "months", "commitments"):
        assert re.search(rf'id="chart-{chart}"[^>]*>.*?class="main-svg"', seen.dom, re.DOTALL)
    assert seen.dom.count('class="bars"') + seen.dom.count("trace bars") > 5
    assert "<h1>Cloud cost, October 2026</h1>" in seen.dom
    assert "as of 31 October 2026" in seen.dom


def test_its_headlines_are_those_of_the_marts(
    estate: Estate,
    written: tuple[str, Path],
    seen: Seen,
) -> None:
    """Each figure once more, from the marts, and as people read it."""
    (overview,) = rows(
        estate,
        written[0],
        "select billed, previous_billed, effective, projected_billed, run_rate_billed, budget, "
        "untagged_effective, usage_effective, credits from cost_overview where is_newest = 1",
    )
    billed, _, effective, projected, run_rate, _, untagged, usage, credits_ = overview
    (commitments,) = rows(
        estate,
        written[0],
        "select sum(covered_list), sum(on_demand_list), sum(used_cost), sum(unused_cost) "
        "from commitments where month = (select max(month) from commitments)",
    )
    covered, on_demand, used, unused = commitments
    expected = {
        "billed": (billed, f"${billed:,.0f}"),
        "effective": (effective, f"${effective:,.0f}"),
        "projection": (projected, f"${projected:,.0f}"),
        "run_rate": (run_rate, f"${run_rate:,.0f}"),
        "untagged_share": (untagged / usage, f"{100 * untagged / usage:.1f} %"),
        "credits": (credits_, f"−${-credits_:,.0f}"),
        "coverage": (
            covered / (covered + on_demand),
            f"{100 * covered / (covered + on_demand):.1f} %",
        ),
        "utilisation": (used / (used + unused), f"{100 * used / (used + unused):.1f} %"),
        # nothing was earned: the margin is the cost, and there are no shares of net revenue
        "revenue_net": (0.0, "0"),
        "fees": (0.0, "0"),
        "margin": (-effective, f"−{effective:,.0f}"),
    }
    without = [(n, t) for n, v, t in seen.figures if "." not in n and not v]
    assert without == [("cost_per_revenue", "–")]
    shown: object = {n: (float(v), t) for n, v, t in seen.figures if "." not in n and v}
    assert shown == {
        name: (pytest.approx(value, rel=1e-9), text) for name, (value, text) in expected.items()
    }


def test_its_tables_are_the_rows_of_the_marts(
    estate: Estate,
    written: tuple[str, Path],
    seen: Seen,
) -> None:
    for kind, table in (("service", "services"), ("account", "accounts")):
        expected = rows(
            estate,
            written[0],
            "select name, effective, previous_effective, change_effective from cost_movers "
            f"where is_newest = 1 and kind = '{kind}' "
            "order by abs(change_effective) desc, id limit 8",
        )
        read: object = [[row[0], *map(float, row[1:])] for row in cells(seen, table, 4)]
        assert read == [[name, *map(pytest.approx, numbers)] for name, *numbers in expected]
    (restated,) = rows(
        estate,
        written[0],
        "select line_items_change, billed_change, month_billed from restatements "
        "where kind = 'restated'",
    )
    (shown,) = cells(seen, "restatements", 8)
    assert [float(value) for value in shown[5:]] == [pytest.approx(v) for v in restated]
    assert shown[1:5] == ["aws", "2026-09", "restated", "USD"]
    (fresh,) = cells(seen, "freshness", 6)
    assert fresh[:5] == ["aws", "2026-11-03 06:15:00", "2026-10-31", "2026-10", "2"]


def cells(seen: Seen, table: str, columns: int) -> list[list[str]]:
    found = [value for name, value, _ in seen.figures if name.startswith(f"{table}.")]
    return [found[n : n + columns] for n in range(0, len(found), columns)]


def test_both_destinations_say_the_same(estate: Estate) -> None:
    with configured(estate.environ):
        one, other = (report.read(destination)[0] for destination in report.DESTINATIONS)
    first, second = figures.tiles(one), figures.tiles(other)
    assert first == {
        name: value if value is None else pytest.approx(value) for name, value in second.items()
    }
    assert [(d["day"], d["service"]) for d in one.days] == [
        (d["day"], d["service"]) for d in other.days
    ]


def test_where_nothing_was_loaded_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    assert report.main(["--out", str(tmp_path / "page.html")]) == 0
    shown = visit(tmp_path / "page.html", tmp_path)
    assert (shown.console, shown.requests) == ([], [])
    assert {value for _, value, _ in shown.figures} == {""}
    assert {text for _, _, text in shown.figures} == {"–"}
    for text in ("No cost is loaded yet", "No cost yet.", "No source was loaded yet."):
        assert text in shown.dom


def test_the_browser_reports_errors_and_requests_of_a_page(tmp_path: Path) -> None:
    """So that a page without them is not one that was not looked at."""
    text = '<img src="http://127.0.0.1:9/x.png"><script>console.error("oh"); gone()</script>'
    (tmp_path / "page.html").write_text(f"<!doctype html><title>x</title>{text}", encoding="utf-8")
    shown = visit(tmp_path / "page.html", tmp_path)
    assert [line.partition(", source")[0] for line in shown.console] == [
        '"oh"',
        '"Uncaught ReferenceError: gone is not defined"',
    ]
    assert shown.requests == ["http://127.0.0.1:9/x.png"]


def test_names_that_hold_markup_are_text() -> None:
    mover = {
        "name": "<script>alert(1)</script>",
        "effective": 1.0,
        "previous_effective": 2.5,
        "change_effective": -1.5,
    }
    made = page(figures.Figures(services=[mover]), source="a <b>", made_at=MADE_AT)
    assert "<script>alert" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert "a &lt;b&gt;" in made


def test_cost_without_a_rate_is_said() -> None:
    month: dict[str, Any] = dict.fromkeys(figures._MONTH)
    month |= {"month": date(2026, 10, 1), "as_of": date(2026, 10, 3), "line_items_without_rate": 7}
    month |= {"line_items_without_cost": 2}
    made = page(figures.Figures(month=month), source="", made_at=MADE_AT)
    assert "7 cost lines have no rate and are not in these figures" in made


def test_two_reporting_currencies_are_never_added() -> None:
    day = {"date": date(2026, 10, 1), "revenue_net": 2.0, "fees": 1.0, "cost_effective": 1.0}
    rows = [day | {"reporting_currency": c, "margin": 1.0} for c in ("USD", "EUR")]
    assert figures.month_to_date(figures.Figures(margin=rows)) == []
    (row,) = figures.month_to_date(figures.Figures(margin=rows[:1]))
    assert row["reporting_currency"] == "USD"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.1234, "12.3 %"), (-0.5, "−50.0 %"), (-0.0001, "0.0 %")],
)
def test_a_share_reads_as_percent(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_a_destination_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_DESTINATION", "paper")
    assert report.main([]) == 2
    assert capsys.readouterr().err == (
        "error: The destination is 'paper'. Set it to one of: filesystem, clickhouse.\n"
    )


@pytest.mark.parametrize(
    ("state", "reached", "newest", "note"),
    [
        ("live", date(2026, 10, 31), date(2026, 10, 31), ""),
        (
            "live",
            date(2026, 11, 2),
            date(2026, 11, 3),
            "gcp has begun November 2026; these",
        ),
        ("stopped", date(2026, 9, 3), date(2026, 9, 4), "gcp has no whole day after 3 September"),
        ("monthly", date(2026, 9, 30), date(2026, 10, 1), "gcp has its cost by the month"),
        ("no whole day", None, date(2026, 10, 30), "gcp has no whole day yet"),
    ],
)
def test_a_source_that_differs_from_the_headline_is_named(
    state: str, reached: date | None, newest: date, note: str
) -> None:
    row = {"source": "gcp", "state": state, "complete_through": reached}
    row |= {"newest_day": newest, "as_of": date(2026, 10, 31)}
    found = source_notes(figures.Figures(sources=[row]))
    assert (note in found, bool(found)) == (True, bool(note))
