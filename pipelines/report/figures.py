"""The figures of the report, read from the marts of either destination. Nothing is computed here
that a mart or a dashboard has: sums and ratios of its rows, and averages over days of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipelines.marts.checks import Connection
from pipelines.report import queries
from pipelines.report.amounts import Row
from pipelines.tables.shapes import published_tables

DAYS = 62  # of the charts by day
MONTHS = 13  # of the charts and tables by month


class NoSuchMonthError(LookupError):
    """A month without cost was asked for."""


@dataclass
class Figures:
    """What the page shows; lists are empty and `month` is None where nothing was loaded.

    Rows are those of the marts, oldest first; `month` is the row of cost_overview that the page
    is about, and no list but `restatements` has anything later. Without cost `last_day` is the
    newest day of revenue or of trades.
    """

    month: Row | None = None
    last_day: date | None = None
    months: list[Row] = field(default_factory=list)
    days: list[Row] = field(default_factory=list)
    movers: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    resources: list[Row] = field(default_factory=list)
    budgets: list[Row] = field(default_factory=list)
    anomalies: list[Row] = field(default_factory=list)
    allocated: list[Row] = field(default_factory=list)
    untagged: list[Row] = field(default_factory=list)
    commitments: list[Row] = field(default_factory=list)
    units: list[Row] = field(default_factory=list)
    margin: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    has_revenue: bool = False
    restated: list[Row] = field(default_factory=list)
    restatements: list[Row] = field(default_factory=list)
    totals: list[Row] = field(default_factory=list)
    freshness: list[Row] = field(default_factory=list)
    sources: list[Row] = field(default_factory=list)
    trading: list[Row] = field(default_factory=list)

    @property
    def as_of(self) -> date | None:
        """The last whole day of the month that all live sources of cost have reached."""
        return self.month["as_of"] if self.month else None

    @property
    def first(self) -> date | None:
        """The first day of the month; without cost, of that of the last day."""
        last = self.as_of or self.last_day
        return last.replace(day=1) if last else None

    @property
    def currency(self) -> str:
        """The reporting currency of cost, such as USD; empty where there is none."""
        return str(self.month["reporting_currency"]) if self.month else ""

    def of_month(self, rows: Sequence[Row], back: int = 0) -> list[Row]:
        """Rows of the page's month, or of one so many months before."""
        wanted = months_before(self.first, back) if self.first else None
        return [row for row in rows if row["month"] == wanted]

    def to_date(self, rows: Sequence[Row], back: int = 0) -> list[Row]:
        """Rows by `date` of the month up to the page's day, or of the same days before it."""
        until = self.as_of or self.last_day
        if not (self.first and until):
            return []
        first = months_before(self.first, back)
        after = months_before(first, -1)
        is_whole = until == months_before(self.first, -1) - timedelta(days=1)
        last = after - timedelta(days=1) if is_whole else first + (until - self.first)
        return [row for row in rows if first <= row["date"] <= min(last, after - timedelta(days=1))]


def months_before(first: date, back: int) -> date:
    """The first day of the month so many before this one, or after it when negative."""
    at = first.year * 12 + first.month - 1 - back
    return date(at // 12, at % 12 + 1, 1)


def read(connection: Connection, tag_columns: Sequence[str], month: date | None = None) -> Figures:
    """Every figure of a month, the newest by default. A table that the project does not have is
    one without rows. Raises NoSuchMonthError for a month without cost."""
    known = set(published_tables(tag_columns))

    def rows(table: str, sql: str, **values: object) -> list[Row]:
        if table not in known:
            return []
        names, found = connection.query(sql.format(**values))
        return [
            {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in found
        ]

    months = rows("cost_overview", queries.MONTHS)
    found = Figures(
        month=_chosen(months, month),
        freshness=rows("freshness", queries.FRESHNESS),
        sources=rows("complete_through", queries.SOURCES),
        has_revenue=any(row["loaded"] for row in rows("revenue", queries.REVENUE)),
    )
    days = [*rows("margin_daily", queries.LAST_DAY), *rows("trades_daily", queries.LAST_TRADES)]
    found.last_day = max((row["day"] for row in days), default=None)
    last = found.as_of or found.last_day
    if last is None:
        return found
    first = last.replace(day=1)
    span = {
        "month": first.isoformat(),
        "since": months_before(first, MONTHS - 1).isoformat(),
        "day": last.isoformat(),
        "days_since": (last - timedelta(days=DAYS + 5)).isoformat(),
        "before": months_before(first, 1).isoformat(),
    }
    found.months = [row for row in months if months_before(first, MONTHS - 1) <= row["month"]]
    found.months = [row for row in found.months if row["month"] <= first]
    for name, (table, sql) in queries.BY_FIELD.items():
        setattr(found, name, rows(table, sql, **span))
    return found


def _chosen(months: Sequence[Row], wanted: date | None) -> Row | None:
    if wanted is None:
        return next((row for row in months if row["is_newest"]), None)
    for row in months:
        if row["month"] == wanted:
            return row
    have = f"{months[0]['month']:%Y-%m} to {months[-1]['month']:%Y-%m}" if months else "none"
    raise NoSuchMonthError(f"No cost in {wanted:%Y-%m}. Months with cost: {have}.")


def seven_days(days: Sequence[Row]) -> dict[date, float | None]:
    """The mean of a day's cost and the six before it; None where a day is not known or missing."""
    sums = by_day(days)
    found: dict[date, float | None] = {}
    for day in sums:
        window = [sums.get(day - timedelta(days=n)) for n in range(7)]
        known = [value for value in window if value is not None]
        found[day] = sum(known) / 7 if len(known) == 7 else None
    return found


def by_day(days: Sequence[Row]) -> dict[date, float | None]:
    """Effective cost of all sources by day; None where a source's is not known."""
    sums: dict[date, float | None] = {}
    for row in days:
        before = sums.get(row["day"], 0.0)
        value = row["effective"]
        sums[row["day"]] = None if before is None or value is None else before + value
    return dict(sorted(sums.items()))


def _plain(value: Any) -> Any:
    """Decimals as numbers of a chart; times without their zone, which is UTC."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
