"""What the report asks of the marts: portable selects, each of one published table.

`{month}` is the first day of the page's month, `{since}` that of the oldest month shown, `{before}`
that of the month before, `{day}` the last whole day, `{days_since}` the first day of charts by day.
"""

from __future__ import annotations

MONTHS = "select * from cost_overview order by month"
FRESHNESS = "select * from freshness order by source"
SOURCES = "select * from complete_through order by source"
REVENUE = "select count(*) as loaded from revenue"
LAST_DAY = 'select max("date") as day from margin_daily having count(*) > 0'
LAST_TRADES = "select max(trade_date) as day from trades_daily having count(*) > 0"

_BY_MONTH = "month >= cast('{since}' as date) and month <= cast('{month}' as date)"
_BY_DATE = "\"date\" >= cast('{since}' as date) and \"date\" <= cast('{day}' as date)"
_MOVERS = f"""
select month, kind, provider_name, id, name, billed, effective, previous_effective, change_effective
from cost_movers where {_BY_MONTH} order by month, kind, effective desc, provider_name, id
"""
_CHANGES = """
select * from cost_changes where month = cast('{month}' as date)
order by kind, abs(change_effective) desc, provider_name, id
"""
_RESOURCES = """
with days as (
    select
        lines.resource_id as resource_id,
        lines.resource_name as resource_name,
        lines.provider_name as provider_name,
        coalesce(lines.service_name, '(none)') as service,
        coalesce(lines.sub_account_id, '(none)') as account,
        lines.billing_currency as currency,
        lines.effective_cost as cost,
        lines.x_lines_without_effective_cost as without_cost,
        case when lines.x_usage_date >= calendar.month then 1 else 0 end as is_now,
        case
            when extract(day from lines.x_usage_date)
                between calendar.compared_from and calendar.compared_to then 1
            else 0
        end as is_compared
    from costs_daily as lines
    inner join month_sources as calendar on lines.x_source = calendar.source
    where calendar.month = cast('{month}' as date)
        and lines.x_usage_date >= cast('{before}' as date)
        and lines.x_usage_date <= calendar.counted_through
        and lines.resource_id is not null
),

summed as (
    select
        resource_id,
        max(days.resource_name) as resource_name,
        provider_name,
        service,
        account,
        currency,
        sum(without_cost) as unknown,
        sum(case when is_now = 1 then cost else 0 end) as now_cost,
        sum(case when is_compared = 1 then case when is_now = 1 then cost else -cost end else 0 end)
            as moved,
        max(is_compared) as is_comparable
    from days
    group by resource_id, provider_name, service, account, currency
),

ranked as (
    select
        summed.*,
        -- rounded: sums of equal machines differ in their last digits, by the order of their days
        row_number() over (order by round(now_cost, 6) desc, resource_id, service, account)
            as by_cost,
        row_number() over (order by round(abs(moved), 6) desc, resource_id, service, account)
            as by_change
    from summed
)

select
    resource_id,
    resource_name,
    provider_name,
    service,
    account,
    currency,
    case when unknown = 0 then now_cost end as effective,
    case when unknown = 0 and is_comparable = 1 then moved end as change_effective
from ranked
where by_cost <= 25 or by_change <= 10
order by by_cost
"""
_ANOMALIES = """
select * from cost_anomalies
where last_day >= cast('{month}' as date) and first_day <= cast('{day}' as date)
order by abs(impact) desc, first_day, dimension, value
"""
_ALLOCATED = f"""
select month, team, product, shared, split, reporting_currency, cost, line_items_without_cost
from cost_allocated where {_BY_MONTH} order by month, cost desc, team, product, shared, split
"""
_UNTAGGED = f"""
select month, tag_key, sum(each.usage_effective) as usage_effective, count(*) as parts,
    count(each.usage_effective) as known, sum(each.untagged_effective) as untagged_effective,
    sum(each.line_items) as line_items, sum(each.untagged_line_items) as untagged_line_items
from untagged as each where {_BY_MONTH} group by month, tag_key order by month, tag_key
"""
_RESTATED = """
select source, month, billing_currency, count(*) as publishings,
    case when billing_currency is not null then sum(each.billed_change) end as billed_change,
    max(each.published_at) as last_at
from restatements as each where kind = 'restated'
group by source, month, billing_currency order by last_at desc, source, month
"""
_PUBLISHED_AGAIN = """
select source, source_partition, month, billing_currency, delivery, kind, line_items_change,
    case when billing_currency is not null then each.billed_change end as billed_change,
    case when billing_currency is not null then each.month_billed end as month_billed,
    delivered_at, published_at
from restatements as each where kind <> 'first'
order by published_at desc, source_partition limit 25
"""
_TRADING = """
select trade_date, currency, sum(notional_usd) as notional, sum(trades) as trades
from trades_daily where level = 'instrument' and trade_date >= cast('{days_since}' as date)
group by trade_date, currency order by trade_date, currency
"""

BY_FIELD = {
    "days": (
        "cost_days",
        "select * from cost_days where day >= cast('{days_since}' as date) "
        "and day <= cast('{day}' as date) order by day, source",
    ),
    "movers": ("cost_movers", _MOVERS),
    "changes": ("cost_changes", _CHANGES),
    "resources": ("costs_daily", _RESOURCES),
    "budgets": (
        "budgets",
        "select * from budgets where month = cast('{month}' as date) order by provider, account, "
        "service, tag_column, tag_value, product",
    ),
    "anomalies": ("cost_anomalies", _ANOMALIES),
    "allocated": ("cost_allocated", _ALLOCATED),
    "untagged": ("untagged", _UNTAGGED),
    "commitments": (
        "commitments",
        f"select * from commitments where {_BY_MONTH} "
        "order by month, provider_name, commitment_type, commitment_id",
    ),
    "units": ("unit_cost", f'select * from unit_cost where {_BY_DATE} order by "date", unit'),
    "margin": ("margin_daily", f'select * from margin_daily where {_BY_DATE} order by "date"'),
    "products": (
        "margin_by_product",
        "select * from margin_by_product where \"date\" >= cast('{before}' as date) "
        'and "date" <= cast(\'{day}\' as date) order by "date", product',
    ),
    "restated": ("restatements", _RESTATED),
    "restatements": ("restatements", _PUBLISHED_AGAIN),
    "totals": ("reconciliation", "select * from reconciliation order by month, source, kind"),
    "trading": ("trades_daily", _TRADING),
}
"""Field of Figures, the table that has to be there, and the select."""
