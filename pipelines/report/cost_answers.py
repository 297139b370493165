"""What a month costs: the month against the last, its end, what changed, what is unusual."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from html import escape

from pipelines.report.amounts import (
    UNKNOWN,
    Row,
    change,
    count,
    money,
    percent,
    share,
    spell_day,
    spell_days,
    total,
)
from pipelines.report.answer import Answer, headline
from pipelines.report.figures import Figures
from pipelines.report.markup import bars, facts, figure

NO_COST = "No cost is loaded."
ALL = "All cost"
ON_DEMAND = "On demand"
SHOWN = 3
"""Rises, falls, anomalies and budgets on the first page."""
SOON = 90
"""Days before its end from which on a commitment is named there."""


def month_against_last(figures: Figures) -> Answer:
    """Billed and effective cost to date, against the same days of the month before."""
    title = "This month against last month"
    month = figures.month
    if month is None:
        return Answer(title, nothing=NO_COST)
    body = headline(
        _money(figures, "billed", month["billed"], "months"),
        f"billed; {_against(figures, 'billed', month)}",
    )
    effective = _money(figures, "effective", month["effective"], "months")
    rest = [
        ("Effective", f"{effective} {_against(figures, 'effective', month)}"),
        ("At list prices", _money(figures, "list", month["list"], "months")),
        ("Credits and refunds, in billed", _money(figures, "credits", month["credits"], "months")),
    ]
    if month["later_billed"]:
        later = _money(figures, "later", month["later_billed"], "months")
        rest.append(("Billed with a later date, not counted", later))
    return Answer(title, body + facts(rest), _days(figures))


def month_end(figures: Figures) -> Answer:
    """The projection with its interval, against the budget, and the budgets by scope."""
    title = "Month end against budget"
    month = figures.month
    if month is None:
        return Answer(title, nothing=NO_COST)
    projected, budget = month["projected_billed"], month["budget"]
    used = share(projected, budget)
    if budget is None:
        against = "no budget is set (<code>sql/budgets.csv</code>)"
    else:
        of = _money(figures, "budget", budget, "months")
        against = f"{figure('budget_share', used, percent(used), 'months')} of the budget of {of}"
    body = headline(_money(figures, "projection", projected, "months"), f"billed; {against}")
    if is_open(month):
        low = _money(figures, "projection_low", month["projected_billed_low"], "months")
        high = _money(figures, "projection_high", month["projected_billed_high"], "months")
        rate = _money(figures, "run_rate", month["run_rate_billed"], "months")
        body += facts([("Between", f"{low} and {high}"), ("Every day", rate)])
    scoped = [row for row in figures.budgets if scope(row) != ALL or budget is None]
    over = sorted(scoped, key=lambda row: -(row["projected_share"] or 0))
    body += bars(
        [
            (
                scope(row),
                row["projected_share"],
                figure("budgets.share", row["projected_share"], _of(row), "budgets"),
            )
            for row in over[:SHOWN]
            if row["projected_share"] is not None
        ],
        limit=1.0,
    )
    is_bad = (used or 0) > 1 or any((row["projected_share"] or 0) > 1 for row in over)
    days = _days(figures) if is_open(month) else f"The month is over: {_days(figures)}"
    return Answer(title, body, days, is_bad=is_bad)


def what_changed(figures: Figures) -> Answer:
    """The largest rises and falls by service, apart, then by account, and what made them."""
    title = "What changed most, and why"
    if figures.month is None:
        return Answer(title, nothing=NO_COST)
    services = moved(figures, "service")
    if not services:
        return Answer(title, nothing="Nothing can be compared: the month before was not loaded.")
    net = sum(row["change_effective"] for row in services)
    body = headline(
        figure("moved", net, money(net, figures.currency, sign=True), "services"),
        "effective cost of services on the days that both months have",
    )
    rises = [row for row in services if row["change_effective"] >= 0.5][:SHOWN]
    falls = [row for row in services if row["change_effective"] <= -0.5][:SHOWN]
    body += bars([_bar(figures, row, "services") for row in (*rises, *falls)], limit=0.0)
    accounts = moved(figures, "account")[:2]
    named = [(_named(row), _bar(figures, row, "accounts")[2]) for row in accounts]
    return Answer(
        title, body + facts([*_causes(figures), *named, *_things(figures)]), _days(figures)
    )


CAUSES = {
    "change_by_usage": "By usage",
    "change_by_price": "By price: discounts, commitments",
    "change_otherwise": "New, gone, fees, credits",
}


def _causes(figures: Figures) -> list[tuple[str, str]]:
    """How much of the change usage and prices made; – where it is not known."""
    rows = [row for row in figures.changes if row["kind"] == "service"]
    sums = {key: total(rows, key) for key in CAUSES}
    return [
        (CAUSES[key], _changed(figures, f"moved.{key}", value, "causes"))
        for key, value in sums.items()
        if rows
    ]


def _things(figures: Figures) -> list[tuple[str, str]]:
    """The tag value and the resource that changed most."""
    tags = [row for row in figures.changes if row["kind"].startswith("tag_")]
    tags = [row for row in tags if row["change_effective"] is not None and row["id"] != "(none)"]
    found = []
    for row in sorted(tags, key=lambda row: -abs(row["change_effective"]))[:1]:
        value = _changed(figures, "moved.tag", row["change_effective"], "causes")
        found.append((f"{row['name']} ({row['kind'].removeprefix('tag_')})", value))
    resources = [row for row in figures.resources if row["change_effective"] is not None]
    for row in sorted(resources, key=lambda row: -abs(row["change_effective"]))[:1]:
        text = money(row["change_effective"], row["currency"] or "", sign=True)
        value = figure("moved.resource", row["change_effective"], text, "resources")
        found.append((f"{resource_name(row)} (resource)", value))
    return found


def resource_name(row: Row) -> str:
    """A resource's name, or the last part of its id."""
    return str(row["resource_name"] or re.split("[/:]", row["resource_id"])[-1])


def _changed(figures: Figures, name: str, value: float | None, rows: str) -> str:
    return figure(name, value, money(value, figures.currency, sign=True), rows)


def anomalies(figures: Figures) -> Answer:
    """Unusual changes in the month, the largest first."""
    title = "Anomalies"
    if figures.month is None:
        return Answer(title, nothing=NO_COST)
    rows = figures.anomalies
    if not rows:
        return Answer(title, nothing=f"No unusual change in {figures.first:%B %Y}.")
    ongoing = sum(row["is_ongoing"] for row in rows)
    body = headline(
        figure("anomalies", len(rows), str(len(rows)), "anomalies"),
        f"unusual {'change' if len(rows) == 1 else 'changes'}, {ongoing} of them ongoing; "
        "against what such days usually cost",
    )
    body += bars(
        [
            (
                f"{row['name']} ({row['dimension'].removeprefix('tag_')}), "
                f"{spell_days(row['first_day'], row['last_day'])}",
                row["impact"],
                figure(
                    "anomalies.impact",
                    row["impact"],
                    money(row["impact"], row["reporting_currency"], sign=True),
                    "anomalies",
                ),
            )
            for row in rows[:SHOWN]
        ],
        limit=0.0,
    )
    return Answer(title, body, _days(figures), is_bad=bool(ongoing))


def expiring(figures: Figures) -> str:
    """How many commitments end soon, the first of them, and what all of them cost in a month."""
    rows = [r for r in figures.of_month(figures.commitments) if r["commitment_type"] != ON_DEMAND]
    known = [row for row in rows if row["days_left"] is not None]
    if not known:
        return f"{UNKNOWN} the bills do not say when a commitment ends"
    soon = [row for row in known if 0 <= row["days_left"] <= SOON]
    number = figure("expiring", len(soon), count(len(soon)) if soon else "none", "commitments")
    text = f"{number} within {SOON} days"
    if soon:
        first = min(soon, key=lambda row: (row["ends_on"], row["commitment_id"]))
        cost, month = _monthly(figures, soon)
        text += f", first {escape(short_id(first))} on {spell_day(first['ends_on'])}"
        text += f"; cost {_money(figures, 'expiring_cost', cost, 'commitments')} in {month:%B %Y}"
    silent = len(rows) - len(known)
    return text + (f"; the end of {silent} is not known" if silent else "")


def short_id(row: Row) -> str:
    """The last part of a commitment's id, such as that of an ARN."""
    return re.split("[/:]", str(row["commitment_id"]))[-1]


def _monthly(figures: Figures, commitments: Sequence[Row]) -> tuple[float | None, date]:
    """Their effective cost, used or not, in the newest whole month that has all of them."""
    of = {(row["provider_name"], row["commitment_id"]) for row in commitments}
    for back in (1, 0) if figures.month and is_open(figures.month) else (0,):
        month = figures.of_month(figures.commitments, back)
        rows = [row for row in month if (row["provider_name"], row["commitment_id"]) in of]
        if len(rows) >= len(of):
            break
    used, unused = total(rows, "used_cost"), total(rows, "unused_cost")
    return None if used is None or unused is None else used + unused, rows[0]["month"]


def moved(figures: Figures, kind: str) -> list[Row]:
    """Services or accounts of the month whose change is known, the largest change first."""
    found = [row for row in figures.of_month(figures.movers) if row["kind"] == kind]
    found = [row for row in found if row["change_effective"] is not None]
    return sorted(found, key=lambda row: (-abs(row["change_effective"]), row["id"]))


def scope(row: Row) -> str:
    """What a budget is of, in words."""
    tag = (
        f"{row['tag_column'].removeprefix('tag_')} {row['tag_value']}" if row["tag_column"] else ""
    )
    parts = [row["provider"], row["account"], row["service"], tag, row["product"]]
    return ", ".join(filter(None, parts)) or ALL


def is_open(month: Row) -> bool:
    """Whether days of the month are still to come, or are not whole."""
    return bool(month["days_elapsed"] < month["days_in_month"])


def _of(row: Row) -> str:
    budget = money(row["budget"], row["reporting_currency"])
    return f"{percent(row['projected_share'])} of {budget}"


def _bar(figures: Figures, row: Row, rows: str) -> tuple[str, float, str]:
    value = row["change_effective"]
    part = share(value, row["previous_effective"])
    text = money(value, figures.currency, sign=True)
    text += " (new)" if part is None else f" ({percent(part, sign=True)})"
    return _named(row), value, figure(f"{rows}.moved", value, text, rows)


def _named(row: Row) -> str:
    return f"{row['name']}, {row['provider_name']}" if row["kind"] == "account" else row["name"]


def _money(figures: Figures, name: str, value: float | None, rows: str) -> str:
    return figure(name, value, money(value, figures.currency), rows)


def _against(figures: Figures, name: str, month: Row) -> str:
    """How much more than on the same days of the month before."""
    before, now = month[f"previous_{name}"], month[f"compared_{name}"]
    moved = change(now, before)
    if moved is None:
        return "no days of the month before to compare with"
    by = figure(f"{name}_change", moved, percent(moved, sign=True), "months")
    was = _money(figures, f"{name}_before", before, "months")
    if now == month[name]:
        return f"{by} on the same days before ({was})"
    of = _money(figures, f"{name}_compared", now, "months")
    return f"{by}: {of} on days that both months have, {was} before"


def _days(figures: Figures) -> str:
    if figures.first is None or figures.as_of is None:
        return ""
    return f"{spell_days(figures.first, figures.as_of)}, whole days"
