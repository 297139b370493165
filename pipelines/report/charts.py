"""The report's charts, each a figure of plotly or None when there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go

from pipelines.report.figures import DAYS, Figures, Row, by_service, part_of, seven_days, whole

COLORS = ("#1f5fa8", "#0f8a6d", "#d9822b", "#8a4fae", "#c23b4b", "#3aa0c9", "#8b98a5")
INK, GREY, LINE = "#1b2733", "#66758a", "#e3e8ee"


def charts(figures: Figures) -> dict[str, tuple[str, go.Figure]]:
    """Title and figure of every chart that has something to show, by name."""
    made = {
        "days": ("Effective cost by day and service, USD", _days(figures)),
        "months": ("Cost by month, USD", _months(figures.months)),
        "commitments": ("Commitments: coverage and utilisation", _commitments(figures)),
        "margin": ("Net revenue, effective cost and margin by day", _margin(figures.margin)),
        "trading": ("Notional traded by day, USD", _trading(figures.trading)),
    }
    return {name: (title, figure) for name, (title, figure) in made.items() if figure is not None}


def _days(figures: Figures) -> go.Figure | None:
    if not figures.days:
        return None
    last = figures.days[-1]["day"]
    first = max(figures.days[0]["day"], last - timedelta(days=DAYS - 1))
    shown = [row for row in figures.days if row["day"] >= first]
    made = _figure(barmode="relative")
    for number, (name, of_day) in enumerate(by_service(shown).items()):
        made.add_bar(
            x=_texts(of_day), y=list(of_day.values()), name=name, marker_color=_color(number)
        )
    mean = {day: mean for day, mean in seven_days(figures.days).items() if day >= first}
    made.add_scatter(
        x=_texts(mean),
        y=list(mean.values()),
        name="7-day average",
        line={"color": INK, "width": 2.2},
    )
    return made.update_yaxes(tickprefix="$", tickformat=",.0f")


def _months(months: Sequence[Row]) -> go.Figure | None:
    if not months:
        return None
    labels = [f"{row['month']:%b %Y}{' (partial)' * row['is_partial']}" for row in months]
    made = _figure(barmode="group")
    for number, (column, name) in enumerate(
        (("billed", "Billed"), ("effective", "Effective"), ("list", "At list prices"))
    ):
        color = COLORS[-1] if column == "list" else _color(number)
        made.add_bar(x=labels, y=[row[column] for row in months], name=name, marker_color=color)
    newest = months[-1]
    made.add_scatter(
        x=[labels[-1]],
        y=[newest["projected_billed"]],
        name="Projected",
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": COLORS[2]},
    )
    if any(row["budget"] is not None for row in months):
        made.add_scatter(
            x=labels,
            y=[row["budget"] for row in months],
            name="Budget",
            mode="lines+markers",
            line={"color": COLORS[4], "dash": "dot"},
        )
    return made.update_yaxes(tickprefix="$", tickformat=",.0f").update_xaxes(type="category")


def _commitments(figures: Figures) -> go.Figure | None:
    months = sorted({row["month"] for row in figures.commitments})
    if not any(row["commitment_id"] for row in figures.commitments):
        return None
    of = {m: [row for row in figures.commitments if row["month"] == m] for m in months}
    labels = [f"{month:%b %Y}" for month in months]
    made = _figure()
    for number, (name, part, rest) in enumerate(
        (
            ("Coverage", "covered_list", "on_demand_list"),
            ("Utilisation", "used_cost", "unused_cost"),
        )
    ):
        values = [part_of(whole(of[m], part), whole(of[m], rest)) for m in months]
        made.add_scatter(
            x=labels, y=values, name=name, mode="lines+markers", line={"color": _color(number)}
        )
    return made.update_yaxes(tickformat=".0%", range=[0, 1.05]).update_xaxes(type="category")


def _margin(rows: Sequence[Row]) -> go.Figure | None:
    if not rows or len({row["reporting_currency"] for row in rows}) > 1:
        return None
    days = [row["date"].isoformat() for row in rows]
    made = _figure()
    for number, (column, name) in enumerate(
        (("revenue_net", "Net revenue"), ("cost_effective", "Effective cost"), ("margin", "Margin"))
    ):
        made.add_scatter(
            x=days, y=[row[column] for row in rows], name=name, line={"color": _color(number)}
        )
    return made.update_yaxes(tickformat=",.0f", title=rows[0]["reporting_currency"])


def _trading(rows: Sequence[Row]) -> go.Figure | None:
    if not rows:
        return None
    made = _figure(barmode="stack")
    for number, currency in enumerate(sorted({row["currency"] for row in rows})):
        own = [row for row in rows if row["currency"] == currency]
        made.add_bar(
            x=[row["trade_date"].isoformat() for row in own],
            y=[row["notional"] for row in own],
            name=currency,
            marker_color=_color(number),
        )
    return made.update_yaxes(tickprefix="$", tickformat=",.2s")


def _figure(**layout: Any) -> go.Figure:
    made = go.Figure()
    made.update_layout(
        template="plotly_white",
        height=330,
        margin={"l": 60, "r": 16, "t": 10, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": GREY},
        legend={"orientation": "h", "y": -0.16, "x": 0},
        hovermode="x unified",
        bargap=0.18,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        **layout,
    )
    made.update_xaxes(showgrid=False, linecolor=LINE)
    return made.update_yaxes(gridcolor=LINE, zerolinecolor=GREY, zerolinewidth=1)


def _texts(of_day: Mapping[date, float]) -> list[str]:
    return [day.isoformat() for day in of_day]


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]
