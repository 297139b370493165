"""What `make demo` shows: queries over published tables, the same on DuckDB and on ClickHouse.

Money is in USD, by the rate that each row carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MONTH = "extract(year from billing_period_start) * 100 + extract(month from billing_period_start)"
BILLED, EFFECTIVE = "sum(x_billed_cost_usd)", "sum(x_effective_cost_usd)"
LIST, CREDITS = (f"sum({c} / x_currency_rate_usd)" for c in ("list_cost", "x_credit_amount"))


@dataclass(frozen=True)
class Shown:
    """A table: its title, its query, its columns, those of them that are numbers, and how many
    columns name a row. A month among these is a number such as 202610."""

    title: str
    sql: str
    columns: Sequence[str]
    right: Sequence[str]
    keys: int = 2

    def named(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row with its month as 2026-10."""
        keys = (f"{k // 100}-{k % 100:02d}" if isinstance(k, int) else k for k in row[: self.keys])
        return (*keys, *row[self.keys :])


#: The month of the headlines: that of the day which all live sources of cost have reached.
NEWEST = (
    "(select max(extract(year from as_of) * 100 + extract(month from as_of)) from complete_through)"
)
AS_OF = Shown(
    "Whole days by cloud",
    """
select source, state, strftime(complete_through, '%Y-%m-%d'), strftime(newest_day, '%Y-%m-%d'),
    strftime(as_of, '%Y-%m-%d')
from complete_through order by source
""",
    ("source", "state", "whole up to", "newest line", "headlines up to"),
    (),
)
HEADLINE = Shown(
    "The month so far, USD",
    """
select extract(year from month) * 100 + extract(month from month) as month, month_state, billed,
    compared_billed / nullif(previous_billed, 0) - 1, projected_billed, projected_billed_low,
    projected_billed_high, later_billed
from cost_overview where is_newest = 1
""",
    ("month", "state", "billed", "change", "projection", "low", "high", "dated later"),
    ("billed", "change", "projection", "low", "high", "dated later"),
    keys=1,
)
BY_MONTH = Shown(
    "Cost by month",
    f"""
select provider_name, {MONTH} as month, {BILLED}, {EFFECTIVE}, {LIST}, {CREDITS}, count(*)
from costs group by provider_name, month order by provider_name, month
""",
    ("provider", "month", "billed USD", "effective", "list", "credits", "cost lines"),
    ("billed USD", "effective", "list", "credits", "cost lines"),
)
BY_SERVICE = Shown(
    "Cost by service, newest month",
    f"""
with cost as (
    select provider_name, service_name, {BILLED} as billed, {EFFECTIVE} as effective,
        {LIST} as list
    from costs where {MONTH} = {NEWEST}
    group by provider_name, service_name
),
ranked as (
    select *, row_number() over (partition by provider_name order by billed desc) as place
    from cost
)
select provider_name, case when place <= 5 then service_name else 'all others' end as service,
    sum(billed), sum(effective), sum(list)
from ranked group by provider_name, service order by provider_name, min(place)
""",
    ("provider", "service", "billed USD", "effective", "list"),
    ("billed USD", "effective", "list"),
)
BY_TAG = Shown(
    "Cost by tag, newest month",
    f"""
with cost as (
    select coalesce(tag_environment, '(untagged)') as environment,
        coalesce(tag_team, '(untagged)') as team, {BILLED} as billed, {EFFECTIVE} as effective
    from costs where {MONTH} = {NEWEST}
    group by environment, team
),
ranked as (select *, row_number() over (order by effective desc) as place from cost)
select case when place <= 8 then environment else 'all others' end as environment,
    case when place <= 8 then team else '' end as team, sum(billed), sum(effective)
from ranked group by 1, 2 order by min(place)
""",
    ("environment", "team", "billed USD", "effective"),
    ("billed USD", "effective"),
)
RESTATED = Shown(
    "What the restatement changed",
    """
select word, partition, strftime(published_at, '%H:%M:%S'), rows, billed, effective,
    billed - lag(billed) over (partition by word, partition order by published_at)
from deliveries
where billed is not null and (word, partition) in (
    select (word, partition) from deliveries group by all having count(*) > 1
)
order by word, partition, published_at
""",
    ("source", "partition", "published (UTC)", "cost lines", "billed", "effective", "difference"),
    ("cost lines", "billed", "effective", "difference"),
)
MARGIN = Shown(
    "Margin by month, USD",
    """
select extract(year from "date") * 100 + extract(month from "date") as month,
    sum(revenue_gross), sum(revenue_contra) + sum(disputes), sum(fees), sum(revenue_net),
    sum(cost_effective), sum(margin), sum(margin) / nullif(sum(revenue_gross), 0)
from margin_daily group by month having sum(revenue_gross) > 0 order by month
""",
    ("month", "gross revenue", "refunds, disputes", "fees", "net", "cost", "margin", "ratio"),
    ("gross revenue", "refunds, disputes", "fees", "net", "cost", "margin", "ratio"),
    keys=1,
)
TRADES = Shown(
    "Trading in options by day and expiry, the largest",
    """
select trade_date, underlying, cast(expiry as date), trades, volume, notional_usd / 1e6,
    put_call_ratio, iv_vwap
from trades_daily where level = 'expiry' and kind = 'option' order by notional_usd desc limit 5
""",
    ("day", "underlying", "expiry", "trades", "volume", "notional USD m", "put/call", "IV %"),
    ("trades", "volume", "notional USD m", "put/call", "IV %"),
)  # fmt: skip
