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
from pipelines.tables.shapes import published_tables

DAYS = 62  # of the charts by day
TOP = 6  # services that the chart by day tells apart
Row = dict[str, Any]


@dataclass
class Figures:
    """What the page shows; lists are empty and `month` is None where nothing was loaded."""

    month: Row | None = None
    months: list[Row] = field(default_factory=list)
    days: list[Row] = field(default_factory=list)
    services: list[Row] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    commitments: list[Row] = field(default_factory=list)
    restatements: list[Row] = field(default_factory=list)
    freshness: list[Row] = field(default_factory=list)
    sources: list[Row] = field(default_factory=list)
    totals: list[Row] = field(default_factory=list)
    margin: list[Row] = field(default_factory=list)
    trading: list[Row] = field(default_factory=list)

    @property
    def as_of(self) -> date | None:
        """The last whole day that all live sources of cost have reached."""
        return self.month["as_of"] if self.month else None


def read(connection: Connection, tag_columns: Sequence[str]) -> Figures:
    """Every figure. A table that the project does not have is one without rows."""
    known = set(published_tables(tag_columns))

    def rows(table: str, sql: str) -> list[Row]:
        if table not in known:
            return []
        names, found = connection.query(sql)
        return [
            {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in found
        ]

    found = Figures(
        months=rows("cost_overview", "select * from cost_overview order by month"),
        commitments=rows("commitments", _COMMITMENTS),
        restatements=rows("restatements", _RESTATEMENTS),
        freshness=rows("freshness", "select * from freshness order by source"),
        sources=rows("complete_through", "select * from complete_through order by source"),
        totals=rows("reconciliation", "select * from reconciliation order by month, source, kind"),
        margin=rows("margin_daily", _MARGIN),
        trading=rows("trades_daily", _TRADING),
    )
    found.month = next((row for row in found.months if row["is_newest"]), None)
    if found.as_of:
        found.services = rows("cost_movers", _MOVERS.format(kind="service"))
        found.accounts = rows("cost_movers", _MOVERS.format(kind="account"))
        first = found.as_of - timedelta(days=DAYS + 5)  # six more, for the first day's average
        found.days = rows("costs_daily", _DAYS.format(first=first.isoformat()))
    return found


def share(part: float | None, whole: float | None) -> float | None:
    """A fraction; None where there is nothing to divide, or by."""
    return part / whole if part is not None and whole else None


def change(now: float | None, before: float | None) -> float | None:
    """By what fraction `now` is more than `before`."""
    ratio = share(now, before)
    return None if ratio is None else ratio - 1


def total(rows: Sequence[Row], name: str) -> float | None:
    """The sum of a column; None when no row has a value."""
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values) if values else None


def whole(rows: Sequence[Row], name: str) -> float | None:
    """The sum of a column; None when a row has no value."""
    return None if any(row[name] is None for row in rows) else total(rows, name)


def part_of(part: float | None, rest: float | None) -> float | None:
    """What fraction one of two parts is of both; None when one is not known."""
    return None if part is None or rest is None else share(part, part + rest)


def tiles(figures: Figures) -> dict[str, float | None]:
    """The headline figures by name. Shares are fractions; amounts are in the
    reporting currency, for the month to date."""
    month = figures.month or dict.fromkeys(_MONTH)
    newest = [row for row in figures.commitments if row["month"] == month["month"]]
    covered, on_demand = whole(newest, "covered_list"), whole(newest, "on_demand_list")
    used, unused = whole(newest, "used_cost"), whole(newest, "unused_cost")
    margin = month_to_date(figures)
    net, fees = total(margin, "revenue_net"), total(margin, "fees")
    cost = total(margin, "cost_effective")
    return {
        "billed": month["billed"],
        "billed_change": change(month["compared_billed"], month["previous_billed"]),
        "effective": month["effective"],
        "effective_change": change(month["compared_effective"], month["previous_effective"]),
        "run_rate": month["run_rate_billed"],
        "projection": month["projected_billed"],
        "projection_low": month["projected_billed_low"],
        "projection_high": month["projected_billed_high"],
        "budget": month["budget"],
        "budget_share": share(month["projected_billed"], month["budget"]),
        "untagged": month["untagged_effective"],
        "untagged_share": share(month["untagged_effective"], month["usage_effective"]),
        "credits": month["credits"],
        "coverage": part_of(covered, on_demand),
        "utilisation": part_of(used, unused),
        "unused": unused,
        "revenue_net": net,
        "fees": fees,
        "margin": total(margin, "margin"),
        "margin_share": share(total(margin, "margin"), net),
        "cost_per_revenue": share(cost, net),
    }


def month_to_date(figures: Figures) -> list[Row]:
    """The days of margin in the newest month up to its newest day, of cost where there is cost.

    Amounts of several reporting currencies are never added: then there are none.
    """
    rows = figures.margin
    if not rows or len({row["reporting_currency"] for row in rows}) > 1:
        return []
    last = figures.as_of or rows[-1]["date"]
    return [row for row in rows if last.replace(day=1) <= row["date"] <= last]


def by_service(days: Sequence[Row]) -> dict[str, dict[date, float]]:
    """Effective cost by service and day: the largest services, and all others together."""
    totals: dict[str, float] = {}
    for row in days:
        totals[row["service"]] = totals.get(row["service"], 0) + (row["effective"] or 0)
    largest = sorted(totals, key=lambda name: -totals[name])[:TOP]
    found: dict[str, dict[date, float]] = {name: {} for name in largest}
    for row in days:
        name = row["service"] if row["service"] in found else "All others"
        of_day = found.setdefault(name, {})
        of_day[row["day"]] = of_day.get(row["day"], 0) + (row["effective"] or 0)
    return found


def seven_days(days: Sequence[Row]) -> dict[date, float]:
    """The mean of a day and the six before it that have cost, as the dashboard's window has it."""
    sums: dict[date, float] = {}
    for row in days:
        sums[row["day"]] = sums.get(row["day"], 0) + (row["effective"] or 0)
    ordered = sorted(sums)
    windows = {day: ordered[max(0, n - 6) : n + 1] for n, day in enumerate(ordered)}
    return {day: sum(sums[d] for d in window) / len(window) for day, window in windows.items()}


def _plain(value: Any) -> Any:
    """Decimals as numbers of a chart; times without their zone, which is UTC."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


_MONTH = """month as_of billed compared_billed previous_billed effective compared_effective
    previous_effective run_rate_billed projected_billed projected_billed_low
    projected_billed_high budget untagged_effective usage_effective credits""".split()
_COMMITMENTS = """
select month, commitment_type, commitment_id, used_cost, unused_cost, covered_list, on_demand_list
from commitments order by month, commitment_type, commitment_id
"""
_RESTATEMENTS = """
select source, source_partition, month, billing_currency, delivery, kind, line_items_change,
    billed_change, effective_change, month_billed, delivered_at, published_at
from restatements where kind <> 'first' order by published_at desc, source_partition limit 12
"""
_MOVERS = """
select name, id, provider_name, billed, effective, previous_effective, change_billed,
    change_effective
from cost_movers where is_newest = 1 and kind = '{kind}'
order by abs(change_effective) desc, id limit 8
"""
_DAYS = """
select x_usage_date as day, coalesce(service_name, '(none)') as service,
    sum(effective_cost / nullif(x_currency_rate_usd, 0)) as effective
from costs_daily where x_usage_date >= cast('{first}' as date)
group by x_usage_date, coalesce(service_name, '(none)') order by day, service
"""
_MARGIN = """
select date, reporting_currency, revenue_gross, revenue_net, fees, cost_effective, margin
from margin_daily order by date
"""
_TRADING = """
select trade_date, currency, sum(notional_usd) as notional, sum(trades) as trades
from trades_daily where level = 'instrument' group by trade_date, currency
order by trade_date, currency
"""
