"""The tables behind what was restated, what agrees, and how fresh the sources are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipelines.report.amounts import Row, age, money
from pipelines.report.columns import number, rows_table, spell_moment, spell_month
from pipelines.report.figures import Figures
from pipelines.report.markup import Column


def restatements(figures: Figures) -> str:
    """What was published again, newest first."""

    def show(value: Any, row: Row) -> str:
        return money(value, row["billing_currency"] or "", cents=True, sign=True)

    columns = [
        Column("published_at", "Published (UTC)", spell_moment),
        Column("source", "Source"),
        Column("source_partition", "Partition"),
        Column("kind", "What"),
        Column("line_items_change", "Lines", lambda value, _: f"{value:+,}", is_number=True),
        Column("billed_change", "Billed", show, is_number=True, is_change=True),
        Column("month_billed", "The month after it", show, is_number=True),
    ]
    title = "Published again: restated by the provider, or recalculated by new rules"
    return rows_table("restatements", title, columns, [_unmonthed(r) for r in figures.restatements])


def _unmonthed(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "month"}


def totals(figures: Figures) -> str:
    """Months beside what their providers say of them, newest first, open ones before all."""

    def show(value: Any, row: Row) -> str:
        return money(value, row["currency"], cents=True)

    columns = [
        Column("source", "Source"),
        Column("month", "Month", spell_month),
        Column("kind", "Total", lambda value, _: str(value).replace("_", " ")),
        Column("ours", "Published", show, is_number=True),
        Column("theirs", "The provider says", show, is_number=True),
        Column("difference", "Difference", show, is_number=True),
        Column("verdict", "Verdict"),
        Column("reason", "Why"),
    ]
    newest = figures.totals[::-1]
    rows = [row for row in newest if row["verdict"] == "open"]
    rows += [row for row in newest if row["verdict"] != "open"]
    return rows_table("totals", "Against the providers' own totals", columns, rows)


def freshness(figures: Figures, made_at: datetime) -> str:
    """How far each source has come."""
    columns = [
        Column("source", "Source"),
        Column("complete_through", "Whole up to"),
        Column("state", "State"),
        Column("newest_day", "Newest day"),
        Column("newest_delivery", "Newest delivery (UTC)", spell_moment),
        Column("newest_partition", "Newest partition"),
        Column("last_run", "Last load (UTC)", spell_moment),
        Column("last_run_outcome", "How it ended"),
        number("partitions", "Partitions"),
        Column("age", "Age"),
    ]
    reached = {row["source"]: row for row in figures.sources}
    nothing = {"complete_through": None, "state": None}
    rows = [
        row
        | {key: reached.get(row["source"], nothing)[key] for key in nothing}
        | {"age": age(row["newest_delivery"], made_at)}
        for row in figures.freshness
    ]
    return rows_table("freshness", "Sources", columns, rows)
