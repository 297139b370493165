"""What the report says of a month with less: nothing loaded, one source, unknown, open, several."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import report
from pipelines.report import business_answers as business
from pipelines.report import cost_answers as cost
from pipelines.report.amounts import money, percent, short
from pipelines.report.figures import Figures, seven_days
from pipelines.report.notes import source_notes
from pipelines.report.page import page
from tests.support.browser import figures

MADE_AT = datetime(2026, 10, 21, 7, 0, tzinfo=UTC)
MONTH: dict[str, Any] = {
    "month": date(2026, 10, 1),
    "as_of": date(2026, 10, 20),
    "reporting_currency": "USD",
    "is_newest": 1,
    "month_state": "open",
    "is_partial": 0,
    "days_elapsed": 20,
    "days_in_month": 31,
    "billed": 2000.0,
    "compared_billed": 2000.0,
    "previous_billed": 1600.0,
    "effective": 1900.0,
    "compared_effective": 1900.0,
    "previous_effective": 1900.0,
    "list": 2500.0,
    "credits": -12.0,
    "later_billed": 0.0,
    "run_rate_billed": 100.0,
    "projected_billed": 3100.0,
    "projected_billed_low": 3000.0,
    "projected_billed_high": 3250.0,
    "budget": None,
    "line_items_without_rate": 0,
    "line_items_without_cost": 0,
}


def of_month(**values: Any) -> Figures:
    """The figures of a month with these columns otherwise."""
    month = MONTH | values
    return Figures(month=month, months=[month])


def text(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def test_an_open_month_has_a_projection_with_its_interval() -> None:
    answer = cost.month_end(of_month())
    assert text(answer.markup(2)) == (
        "2 Month end against budget $3,100 billed; no budget is set ( sql/budgets.csv ) "
        "Between $3,000 and $3,250 Every day $100 1–20 October 2026, whole days"
    )
    assert not answer.is_bad


def test_a_month_that_is_projected_over_its_budget_is_marked() -> None:
    answer = cost.month_end(of_month(budget=3000.0))
    assert "103.3 % of the budget of $3,000" in text(answer.body)
    assert answer.is_bad


def test_a_month_against_the_last_names_the_same_days() -> None:
    assert text(cost.month_against_last(of_month()).body) == (
        "$2,000 billed; +25.0 % on the same days before ( $1,600 ) "
        "Effective $1,900 0.0 % on the same days before ( $1,900 ) "
        "At list prices $2,500 Credits and refunds, in billed −$12"
    )


def test_what_is_not_known_is_a_dash_and_never_nothing() -> None:
    found = of_month(billed=None, compared_billed=None, effective=None, list=None)
    made = cost.month_against_last(found).body
    assert [(each.name, each.text) for each in figures(made)][:3] == [
        ("billed", "–"),
        ("effective", "–"),
        ("effective_change", "0.0 %"),
    ]
    assert "no days of the month before to compare with" in made
    assert "0.00" not in made


def test_a_margin_of_which_a_day_is_unknown_is_a_dash() -> None:
    day = {"reporting_currency": "USD", "revenue_net": 10.0, "fees": 1.0, "cost_effective": 4.0}
    days = [
        day | {"date": date(2026, 10, 1), "margin": 6.0},
        day | {"date": date(2026, 10, 2), "margin": None, "cost_effective": None},
    ]
    found = of_month()
    found.margin, found.has_revenue = days, True
    shown = {each.name: each.text for each in figures(business.revenue(found).body)}
    assert shown == {
        "margin": "–",
        "margin_share": "–",
        "revenue_net": "$20",
        "fees": "$2",
        "cost_effective": "–",
    }


def test_without_revenue_a_line_says_so() -> None:
    found = of_month()
    found.margin = [{"date": date(2026, 10, 1), "reporting_currency": "USD", "margin": -7505.0}]
    made = business.revenue(found).markup(8)
    assert text(made) == (
        "8 Revenue, fees and margin No revenue is loaded: configure sources.stripe for margins."
    )
    assert "7,505" not in page(found, source="", made_at=MADE_AT)


def test_revenue_is_shown_of_a_company_without_cloud_cost() -> None:
    day = {"reporting_currency": "USD", "revenue_net": 10.0, "fees": 1.0, "cost_effective": 0.0}
    day["revenue_gross"] = 12.0
    found = Figures(last_day=date(2026, 10, 2), has_revenue=True)
    found.margin = [
        day | {"date": date(2026, 9, 2), "margin": 8.0},
        day | {"date": date(2026, 9, 3), "margin": 90.0},
        day | {"date": date(2026, 10, 2), "margin": 10.0},
    ]
    assert "+25.0 % on the same days before" in business.revenue(found).body
    made = page(found, source="", made_at=MADE_AT)
    assert "No cost is loaded yet" in made
    assert ">$10</a>" in made


def test_two_reporting_currencies_are_never_added() -> None:
    day = {"date": date(2026, 10, 1), "revenue_net": 2.0, "fees": 1.0, "cost_effective": 1.0}
    found = of_month()
    found.margin = [day | {"reporting_currency": c, "margin": 1.0} for c in ("USD", "EUR")]
    found.has_revenue = True
    assert business.revenue(found).body == ""


def test_rises_and_falls_are_apart_and_the_largest_come_first() -> None:
    found = of_month()
    moved = {"a": 5.0, "b": -900.0, "c": 40.0, "d": 0.2, "e": None, "f": 7.0, "g": 6.0}
    found.movers = [
        {"month": date(2026, 10, 1), "kind": "service", "provider_name": "AWS", "id": name}
        | {"name": name, "effective": 1.0, "previous_effective": 100.0, "change_effective": value}
        for name, value in moved.items()
    ]
    shown = [(e.name, e.text) for e in figures(cost.what_changed(found).body)]
    assert shown == [
        ("moved", "−$842"),
        ("services.moved", "+$40 (+40.0 %)"),
        ("services.moved", "+$7 (+7.0 %)"),
        ("services.moved", "+$6 (+6.0 %)"),
        ("services.moved", "−$900 (−900.0 %)"),
    ]


def test_anomalies_are_named_with_what_they_cost_more() -> None:
    found = of_month()
    found.anomalies = [
        {
            "name": "Amazon Elastic Compute Cloud",
            "dimension": "service",
            "first_day": date(2026, 10, 12),
            "last_day": date(2026, 10, 20),
            "impact": 512.4,
            "is_ongoing": 1,
            "reporting_currency": "USD",
        }
    ]
    assert text(cost.anomalies(found).markup(4)) == (
        "4 Anomalies 1 unusual change, 1 of them ongoing; against what such days usually cost "
        "Amazon Elastic Compute Cloud (service), 12–20 October 2026 +$512 "
        "1–20 October 2026, whole days"
    )


def test_unit_cost_is_compared_with_the_same_days_before() -> None:
    found = of_month()
    found.units = [
        {
            "date": day,
            "unit": "orders",
            "quantity": 200.0,
            "cost": paid,
            "reporting_currency": "USD",
        }
        for day, paid in (
            (date(2026, 9, 20), 8.0),
            (date(2026, 9, 21), 90.0),  # after the day of the month that is reached
            (date(2026, 10, 20), 10.0),
        )
    ]
    assert text(business.unit_cost(found).markup(7)) == (
        "7 Unit cost One of orders $0.05 (+25.0 % on the same days before) 20 October 2026"
    )


def commitment(name: str, end: date | None, month: int = 10, **columns: Any) -> dict[str, Any]:
    amounts = {"used_cost": 90.0, "unused_cost": 10.0, "covered_list": 1.0, "on_demand_list": 1.0}
    return amounts | {
        "month": date(2026, month, 1),
        "provider_name": "AWS",
        "commitment_type": "Savings Plan",
        "commitment_id": f"arn:aws:savingsplans::1:savingsplan/{name}",
        "ends_on": end,
        "days_left": end and (end - date(2026, 10, 20)).days,
        **columns,
    }


LATER, SOON = date(2027, 1, 19), date(2027, 1, 18)  # in 91 and in 90 days


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [commitment("b", SOON), commitment("a", date(2026, 10, 20)), commitment("c", LATER)]
            + [commitment(name, None, 9, used_cost=40.0) for name in "abc"],
            "2 within 90 days, first a on 20 October 2026; cost $100 in September 2026",
        ),
        (
            [commitment("a", SOON), commitment("b", SOON, 9)],
            "1 within 90 days, first a on 18 January 2027; cost $100 in October 2026",
        ),
        (
            [commitment("a", SOON, used_cost=None)],
            "1 within 90 days, first a on 18 January 2027; cost – in October 2026",
        ),
        ([commitment("a", LATER)], "none within 90 days"),
        ([commitment("a", date(2026, 10, 19))], "none within 90 days"),
        (
            [commitment("a", LATER), commitment("b", None)],
            "none within 90 days; the end of 1 is not known",
        ),
        ([commitment("a", None)], "– the bills do not say when a commitment ends"),
    ],
)
def test_commitments_that_end_soon_are_counted_and_the_first_is_named(
    rows: list[dict[str, Any]], said: str
) -> None:
    found = of_month()
    demand = {"commitment_type": "On demand", "commitment_id": "", "provider_name": "AWS"}
    found.commitments = [*rows, commitment("", None) | demand]
    assert (
        text(business.commitments(found).body).partition(" Expiring ")[2].replace(" ;", ";") == said
    )


def test_a_restatement_in_several_currencies_has_no_amount() -> None:
    found = of_month()
    found.restated = [
        {"source": "gcp", "month": "2026-10", "billing_currency": None, "publishings": 2}
        | {"billed_change": None, "last_at": MADE_AT}
    ]
    assert text(business.restated(found).body) == (
        "2 times a provider changed what was published gcp 2026-10 – billed, last on "
        "21 October 2026 October 2026 open: 20 of 31 days are whole"
    )


def test_each_source_says_how_far_it_has_come_and_whether_it_agrees() -> None:
    found = of_month()
    delivered = MADE_AT.replace(hour=2, tzinfo=None)
    found.freshness = [
        {"source": "aws", "newest_day": date(2026, 10, 21), "newest_delivery": delivered},
        {"source": "fx", "newest_day": date(2026, 10, 20), "newest_delivery": None}
        | {"last_run_outcome": "failed"},
    ]
    found.sources = [{"source": "aws", "state": "stopped", "complete_through": date(2026, 10, 20)}]
    verdicts = ("agrees", "open", "agrees")
    found.totals = [{"source": "aws", "verdict": verdict} for verdict in verdicts]
    assert text(business.fresh(found, MADE_AT).body) == (
        "aws whole up to 20 October 2026 , delivered 5 hours ago, stopped; totals: 2 agree , "
        "1 open fx newest day 20 October 2026 , last load: failed; no totals of the provider"
    )


def test_where_nothing_was_loaded_each_question_takes_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    assert report.main(["--out", str(tmp_path / "page.html")]) == 0
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert figures(html) == []
    assert html.count('class="question none"') == 10
    assert "No cost is loaded yet" in html
    assert "<table" not in html


def test_two_years_of_a_large_company_can_be_mailed() -> None:
    """More of everything than is shown: rows are cut, and the table says so."""
    found = of_month()
    found.months = [MONTH | {"month": date(2025, 10, 1)}] * 12 + found.months
    names = [f"name of a thing, number {number}" for number in range(2000)]
    for first in (date(2026, 10, 1), date(2026, 9, 1), date(2026, 8, 1)):
        found.movers += [
            {"month": first, "kind": kind, "provider_name": "AWS", "id": name, "name": name}
            | dict.fromkeys(("billed", "effective", "previous_effective"), 123456.789)
            | {"change_effective": 1.5}
            for name in names
            for kind in ("service", "account")
        ]
        found.allocated += [
            {"month": first, "team": name, "product": "shop", "shared": "", "split": "direct"}
            | {"reporting_currency": "USD", "cost": 123456.78, "line_items_without_cost": 0}
            for name in names
        ]
    days = [date(2026, 10, 20) - timedelta(days=n) for n in range(67)]
    found.days = [
        {"day": day, "source": f"source {number}", "effective": 1234.5678}
        for day in reversed(days)
        for number in range(7)
    ]
    made = page(found, source="", made_at=MADE_AT)
    assert len(made.encode()) < 1_500_000
    assert "Teams and products by month (the first 150 of 6,000)" in made
    assert made.count("<tr") < 2000


def test_names_that_hold_markup_are_text() -> None:
    mover = {
        "month": date(2026, 10, 1),
        "kind": "service",
        "provider_name": "AWS",
        "id": "x",
        "name": "<script>alert(1)</script>",
        "billed": 1.0,
        "effective": 1.0,
        "previous_effective": 2.5,
        "change_effective": -1.5,
    }
    found = of_month()
    found.movers = [mover]
    made = page(found, source="a <b>", made_at=MADE_AT)
    assert "<script>alert" not in made
    assert made.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    assert "a &lt;b&gt;" in made


def test_cost_without_a_rate_is_said() -> None:
    found = of_month(line_items_without_rate=7, line_items_without_cost=2)
    made = page(found, source="", made_at=MADE_AT)
    assert "7 cost lines have no rate and are not in these figures" in made
    assert "2 cost lines have no known cost and are not in these figures" in made


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "–"), (0.1234, "12.3 %"), (-0.5, "−50.0 %"), (-0.0001, "0.0 %")],
)
def test_a_share_reads_as_percent(value: float | None, written: str) -> None:
    assert percent(value) == written


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        (None, "USD", "–"),
        (-7505.4, "USD", "−$7,505"),
        (-0.4, "EUR", "€0"),
        (12345.0, "CHF", "CHF 12,345"),
    ],
)
def test_an_amount_has_its_currency(value: float | None, currency: str, written: str) -> None:
    assert money(value, currency) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1_200_000_000.0, "$1.2 B"),
        (999_700.0, "$1 M"),
        (25_000.0, "$25 k"),
        (-500.0, "−$500"),
        (0.0, "$0"),
        (0.05, "$0.05"),
    ],
)
def test_an_axis_is_short_and_has_its_unit(value: float, written: str) -> None:
    assert short(value, "USD") == written


def test_a_mean_of_seven_days_needs_seven_days() -> None:
    days = [{"day": date(2026, 10, day), "effective": 7.0 * day} for day in range(1, 9)]
    found = seven_days(days)
    assert list(found.values()) == [*[None] * 6, 28.0, 35.0]
    days[3]["effective"] = None
    assert set(seven_days(days).values()) == {None}


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
    found = source_notes(Figures(sources=[row]))
    assert (note in found, bool(found)) == (True, bool(note))
