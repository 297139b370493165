"""The report's charts, each with the table of its numbers; none where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pipelines.report.amounts import Row, money, only_currency, percent, short
from pipelines.report.business_answers import by_name, covered
from pipelines.report.cost_answers import is_open
from pipelines.report.figures import DAYS, Figures, by_day, seven_days
from pipelines.report.markup import Column, chart, hints, table
from pipelines.report.svg import MARK, POINT, Plot, Series

TEAMS = 6
"""Teams that the chart by team tells apart."""
GREY, BUDGET, PROJECTED = 6, 4, 2
"""Colours with a meaning; 0 to 5 are told apart in this order."""


def charts(figures: Figures) -> str:
    """All charts as markup, in the order of the questions."""
    made = (_days, _months, _teams, _commitments, _margin, _trading)
    return "".join(draw(figures) for draw in made)


def _days(figures: Figures) -> str:
    if not (figures.days and figures.as_of):
        return ""
    first = max(figures.days[0]["day"], figures.as_of - timedelta(days=DAYS - 1))
    sources = sorted({row["source"] for row in figures.days})
    of = {(row["source"], row["day"]): row["effective"] for row in figures.days}
    days = [day for day in by_day(figures.days) if day >= first]
    series = [
        Series(source, [of.get((source, day), 0.0) for day in days], number % GREY)
        for number, source in enumerate(sources)
    ]
    mean = seven_days(figures.days)
    series.append(Series("7-day average", [mean[day] for day in days], 7, POINT))
    labels = [f"{day.day} {day:%b}" for day in days]
    title = f"Effective cost by day and source, {figures.currency}"
    return _chart("days", title, labels, series, figures.currency, is_stacked=True, half=False)


def _months(figures: Figures) -> str:
    if not figures.months:
        return ""
    rows = figures.months
    series = [
        Series("Billed", [row["billed"] for row in rows], 0),
        Series("Effective", [row["effective"] for row in rows], 1),
        Series("At list prices", [row["list"] for row in rows], GREY),
    ]
    if any(is_open(row) for row in rows):
        shown = [row if is_open(row) else None for row in rows]
        ends = [
            (r["projected_billed_low"], r["projected_billed_high"]) if r else (None, None)
            for r in shown
        ]
        values = [row["projected_billed"] if row else None for row in shown]
        series.append(Series("Projected, low to high", values, PROJECTED, MARK, ends))
    if any(row["budget"] is not None for row in rows):
        series.append(Series("Budget", [row["budget"] for row in rows], BUDGET, MARK))
    labels = [f"{row['month']:%b %Y}" for row in rows]
    return _chart("months", f"Cost by month, {figures.currency}", labels, series, figures.currency)


def _teams(figures: Figures) -> str:
    months = sorted({row["month"] for row in figures.allocated})
    if not months or only_currency(figures.allocated) is None:
        return ""
    of = {m: by_name([r for r in figures.allocated if r["month"] == m], "team") for m in months}
    whole = by_name(figures.allocated, "team")
    largest = sorted(whole, key=lambda name: -whole[name])[:TEAMS]
    series = [
        Series(name, [of[month].get(name, 0.0) for month in months], number)
        for number, name in enumerate(largest)
    ]
    if len(whole) > TEAMS:
        rest = [sum(v for n, v in of[m].items() if n not in largest) for m in months]
        series.append(Series("all others", rest, GREY))
    labels = [f"{month:%b %Y}" for month in months]
    title = f"Effective cost by team, {figures.currency}"
    return _chart("teams", title, labels, series, figures.currency, is_stacked=True)


def _commitments(figures: Figures) -> str:
    if figures.first is None or not any(row["commitment_id"] for row in figures.commitments):
        return ""
    months = sorted({row["month"] for row in figures.commitments})
    found = [covered([r for r in figures.commitments if r["month"] == month]) for month in months]
    series = [
        Series(name.capitalize(), [each[name] for each in found], number, POINT)
        for number, name in enumerate(("coverage", "utilisation"))
    ]
    labels = [f"{month:%b %Y}" for month in months]
    return _chart("commitments", "Commitments: coverage and utilisation", labels, series, None)


def _margin(figures: Figures) -> str:
    rows = figures.margin
    if not figures.has_revenue or not rows or only_currency(rows) is None:
        return ""
    names = (
        ("revenue_net", "Net revenue"),
        ("cost_effective", "Effective cost"),
        ("margin", "Margin"),
    )
    months = sorted({row["date"].replace(day=1) for row in rows})
    of: dict[Any, list[Row]] = {
        m: [r for r in rows if r["date"].replace(day=1) == m] for m in months
    }
    series = [
        Series(name, [_sum(of[month], key) for month in months], number)
        for number, (key, name) in enumerate(names)
    ]
    labels = [f"{month:%b %Y}" for month in months]
    currency = str(rows[0]["reporting_currency"])
    return _chart(
        "margin", f"Revenue, cost and margin by month, {currency}", labels, series, currency
    )


def _trading(figures: Figures) -> str:
    rows = figures.trading
    days = sorted({row["trade_date"] for row in rows})
    if not days:
        return ""
    of = {(row["currency"], row["trade_date"]): row["notional"] for row in rows}
    series = [
        Series(name, [of.get((name, day), 0.0) for day in days], number % GREY)
        for number, name in enumerate(sorted({row["currency"] for row in rows}))
    ]
    labels = [f"{day.day} {day:%b}" for day in days]
    return _chart("trading", "Notional traded by day, USD", labels, series, "USD", is_stacked=True)


def _sum(rows: Sequence[Row], key: str) -> float | None:
    values = [row[key] for row in rows]
    return None if None in values else sum(values)


def _chart(
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    currency: str | None,
    *,
    is_stacked: bool = False,
    half: bool = True,
) -> str:
    """A chart in a currency, or of shares without one."""

    def axis(value: float) -> str:
        return short(value, currency) if currency else f"{value:.0%}"

    def exact(value: float) -> str:
        return money(value, currency, cents=True) if currency else percent(value)

    summary = f"{title}: {', '.join(one.name for one in series)}; {labels[0]} to {labels[-1]}"
    plot = Plot(labels, series, axis, is_stacked, summary)
    plot = replace(plot, hints=hints(labels, plot, exact))
    columns = [Column("label", "")]
    columns += [Column(one.name, one.name, lambda v, _: exact(v), is_number=True) for one in series]
    rows = [
        {"label": label} | {one.name: one.values[at] for one in series}
        for at, label in enumerate(labels)
    ]
    return chart(name, title, plot, table(f"chart-{name}-rows", title, columns, rows), half=half)
