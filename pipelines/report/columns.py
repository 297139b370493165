"""Columns that the report's tables share, and what its filters look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.report.amounts import Row, count, money, percent
from pipelines.report.markup import Column, table

MOST = 150
"""Rows of a table: a page can be mailed, however much there is."""


def amount(key: str, title: str, *, change: bool = False) -> Column:
    """Money in the row's reporting currency, with cents."""

    def show(value: Any, row: Row) -> str:
        return money(value, str(row.get("reporting_currency", "")), cents=True, sign=change)

    return Column(key, title, show, is_number=True, is_change=change)


def fraction(key: str, title: str) -> Column:
    """A column of fractions, which the report shows in percent."""
    return Column(key, title, lambda value, _: percent(value), is_number=True)


def number(key: str, title: str) -> Column:
    """A column of whole numbers, with separators between thousands."""
    return Column(key, title, lambda value, _: count(value), is_number=True)


def spell_month(value: Any, _: Row) -> str:
    """A month such as Oct 2026, in one line."""
    return f"{value:%b}\N{NO-BREAK SPACE}{value:%Y}"


def spell_moment(value: Any, _: Row) -> str:
    """A time such as 2026-10-03 07:00."""
    return f"{value:%Y-%m-%d %H:%M}"


def _filter(row: Row) -> Mapping[str, object]:
    """What the filters look at: the month, the provider and the team of a row."""
    first = row.get("month")
    found = {"provider": row.get("provider_name"), "team": row.get("team")}
    return found | ({"month": f"{first:%Y-%m}"} if first else {})


def rows_table(name: str, title: str, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A table whose rows the filters know; nothing without rows, and no more than MOST of them."""
    if len(rows) > MOST:
        title = f"{title} (the first {MOST} of {len(rows):,})"
    return table(name, title, columns, rows[:MOST], _filter) if rows else ""
