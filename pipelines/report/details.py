"""The tables that the figures of the first page link to, down to the resources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipelines.report.amounts import Row
from pipelines.report.business_answers import covered, sums, untagged_share
from pipelines.report.columns import (
    amount,
    fraction,
    number,
    rows_table,
    spell_month,
)
from pipelines.report.cost_answers import resource_name, scope, short_id
from pipelines.report.figures import Figures
from pipelines.report.markup import Column
from pipelines.report.reliance_details import freshness, restatements, totals

CHANGED = 10
"""Things of a kind whose causes the table names."""
MOVED = 20
"""Services and accounts of a month that the tables name, the largest changes first."""


def details(figures: Figures, made_at: datetime) -> str:
    """Every table that has rows, under the headings of the questions."""
    return "".join(
        f'<section class="rows">{made}</section>' for made in _tables(figures, made_at) if made
    )


def _tables(figures: Figures, made_at: datetime) -> Iterator[str]:
    yield _months(figures)
    yield _movers(figures, "service", "services", "Services by month")
    yield _movers(figures, "account", "accounts", "Accounts by month")
    yield _causes(figures)
    yield _resources(figures)
    yield _budgets(figures)
    yield _anomalies(figures)
    yield _teams(figures)
    yield _untagged(figures)
    yield _commitments(figures)
    yield _units(figures)
    yield from _margin(figures)
    yield restatements(figures)
    yield totals(figures)
    yield freshness(figures, made_at)


def _months(figures: Figures) -> str:
    columns = [
        Column("month", "Month", spell_month),
        Column("as_of", "Whole days up to"),
        Column("month_state", "State"),
        amount("billed", "Billed"),
        amount("compared_billed", "Of compared days"),
        amount("previous_billed", "Same days before"),
        amount("effective", "Effective"),
        amount("previous_effective", "Effective, same days before"),
        amount("list", "At list prices"),
        amount("credits", "Credits"),
        amount("projected_billed", "Month end"),
        amount("budget", "Budget"),
    ]
    return rows_table("months", "Months", columns, figures.months[::-1])


def _movers(figures: Figures, kind: str, name: str, title: str) -> str:
    columns = [
        Column("name", kind.capitalize()),
        Column("provider_name", "Provider"),
        Column("month", "Month", spell_month),
        amount("effective", "Effective"),
        amount("previous_effective", "Same days before"),
        amount("change_effective", "Change", change=True),
        amount("billed", "Billed"),
    ]
    rows: list[Row] = []
    for month in sorted({row["month"] for row in figures.movers}, reverse=True)[:3]:
        own = [r for r in figures.movers if r["month"] == month and r["kind"] == kind]
        own.sort(key=lambda row: -abs(row["change_effective"] or 0))
        rows += [row | {"reporting_currency": figures.currency} for row in own[:MOVED]]
    return rows_table(name, title, columns, rows)


def _causes(figures: Figures) -> str:
    columns = [
        Column("name", "What", is_long=True),
        Column("kind", "By", lambda value, _: str(value).removeprefix("tag_")),
        Column("provider_name", "Provider"),
        amount("previous_effective", "Same days before"),
        amount("effective", "Effective"),
        amount("change_effective", "Change", change=True),
        amount("change_by_usage", "By usage", change=True),
        amount("change_by_price", "By price", change=True),
        amount("change_otherwise", "Otherwise", change=True),
    ]
    rows: list[Row] = []
    for kind in sorted({row["kind"] for row in figures.changes}):
        rows += [row for row in figures.changes if row["kind"] == kind][:CHANGED]
    title = "Why cost changed: by usage, by price, or otherwise"
    return rows_table("causes", title, columns, [r | {"month": None} for r in rows])


def _resources(figures: Figures) -> str:
    columns = [
        Column("resource_name", "Resource", is_long=True),
        Column("resource_id", "ID", is_long=True),
        Column("service", "Service"),
        Column("account", "Account"),
        Column("provider_name", "Provider"),
        amount("effective", "Effective"),
        amount("change_effective", "Change", change=True),
    ]
    rows = [
        row
        | {
            "resource_name": resource_name(row),
            "reporting_currency": row["currency"],
        }
        for row in figures.resources
    ]
    title = "Resources of the month: most expensive, most changed; in the currency of the bill"
    return rows_table("resources", title, columns, rows)


def _budgets(figures: Figures) -> str:
    columns = [
        Column("scope", "Budget of"),
        amount("budget", "Budget"),
        amount("burned", "Burned"),
        amount("projected", "Projected"),
        fraction("projected_share", "Projected share"),
        Column("as_of", "Whole days up to"),
    ]
    rows = [row | {"scope": scope(row)} for row in figures.budgets]
    return rows_table("budgets", "Budgets, effective cost", columns, rows)


def _anomalies(figures: Figures) -> str:
    columns = [
        Column("name", "What"),
        Column("dimension", "By", lambda value, _: str(value).removeprefix("tag_")),
        Column("source", "Source"),
        Column("first_day", "First day"),
        Column("last_day", "Last day"),
        Column("is_ongoing", "Ongoing", lambda value, _: "yes" if value else "no"),
        amount("expected", "Usually"),
        amount("actual", "Effective"),
        amount("impact", "Difference", change=True),
    ]
    return rows_table("anomalies", "Anomalies", columns, figures.anomalies)


def _teams(figures: Figures) -> str:
    columns = [
        Column("team", "Team"),
        Column("product", "Product"),
        Column("month", "Month", spell_month),
        Column("split", "Split"),
        Column("shared", "Shared cost"),
        amount("cost", "Effective cost"),
    ]
    months = sorted({row["month"] for row in figures.allocated}, reverse=True)[:3]
    rows = [row for month in months for row in figures.allocated if row["month"] == month]
    return rows_table("teams", "Teams and products by month", columns, rows)


def _untagged(figures: Figures) -> str:
    columns = [
        Column(
            "tag_key", "Tag", lambda v, _: "any tag" if v == "(any)" else v.removeprefix("tag_")
        ),
        Column("month", "Month", spell_month),
        amount("usage_effective", "Usage that can have tags"),
        amount("untagged_effective", "Without the tag"),
        fraction("untagged_share", "Share"),
        number("untagged_line_items", "Lines without it"),
    ]
    months = sorted({row["month"] for row in figures.untagged}, reverse=True)[:3]
    rows = [
        row | {"untagged_share": untagged_share(row), "reporting_currency": figures.currency}
        for month in months
        for row in figures.untagged
        if row["month"] == month
    ]
    return rows_table("untagged", "Usage without tags", columns, rows)


def _commitments(figures: Figures) -> str:
    columns = [
        Column("name", "Commitment"),
        Column("commitment_type", "Type"),
        Column("provider_name", "Provider"),
        amount("used_cost", "Used"),
        amount("unused_cost", "Unused"),
        fraction("utilisation", "Utilisation"),
        amount("covered_list", "Covered, at list prices"),
        amount("on_demand_list", "Could have been covered"),
        Column("ends_on", "Ends on"),
        number("days_left", "Days left"),
    ]
    rows = [
        row
        | {
            "name": short_id(row) or "without a commitment",
            "utilisation": covered([row])["utilisation"],
        }
        for row in figures.of_month(figures.commitments)
    ]
    return rows_table("commitments", "Commitments of the month", columns, rows)


def _units(figures: Figures) -> str:
    columns = [
        Column("date", "Day"),
        Column("unit", "Unit"),
        number("quantity", "Quantity"),
        amount("cost", "Effective cost"),
        amount("cost_per_unit", "Cost of one"),
        fraction("cost_per_revenue", "Cost of revenue"),
    ]
    return rows_table("units", "Unit cost by day", columns, figures.to_date(figures.units))


def _margin(figures: Figures) -> Iterator[str]:
    if not figures.has_revenue:
        return
    columns = [
        Column("date", "Day"),
        amount("revenue_gross", "Gross revenue"),
        amount("fees", "Fees"),
        amount("revenue_net", "Net revenue"),
        amount("cost_effective", "Effective cost"),
        amount("margin", "Margin", change=False),
    ]
    yield rows_table("margin", "Margin by day", columns, figures.to_date(figures.margin))
    rows = figures.to_date(figures.products)
    names = sorted({row["product"] for row in rows})
    summed = [
        {
            "product": name,
            "reporting_currency": rows[0]["reporting_currency"],
            **sums([row | {"fees": 0.0} for row in rows if row["product"] == name]),
        }
        for name in names
    ]
    columns = [
        Column("product", "Product"),
        amount("revenue_net", "Net revenue"),
        amount("cost_effective", "Effective cost"),
        amount("margin", "Margin"),
    ]
    yield rows_table("products", "Margin by product, month to date", columns, summed)
