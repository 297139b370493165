-- one row per month of use (UTC): the cost up to the last whole day, and a projection
-- The newest month is that of the day which all live sources have reached (complete_through). What
-- is dated later is in `later_…`: days that are not whole, months begun by some, bills ahead.
-- every day counts in its own month, and as one of the month before in the next
with sides as (
    select 0 as is_before
    union all
    select 1 as is_before
),

facts as (
    select
        days.*,
        sides.is_before as is_before,
        case
            when sides.is_before = 1
                then cast(date_trunc('month', days.day) + interval 1 month as date)
            else cast(date_trunc('month', days.day) as date)
        end as month
    from cost_days as days
    cross join sides
),

placed as (
    select
        facts.*,
        calendar.is_newest as is_newest,
        calendar.is_partial as is_partial,
        calendar.as_of as as_of,
        calendar.month_state as month_state,
        case
            when facts.is_before = 0 and facts.day <= calendar.counted_through then 1 else 0
        end as is_counted,
        case
            when facts.is_before = 0 and facts.day > calendar.counted_through then 1 else 0
        end as is_later,
        case
            when extract(day from facts.day)
                between calendar.compared_from and calendar.compared_to then 1
            else 0
        end as is_compared
    from facts
    inner join month_sources as calendar
        on facts.source = calendar.source and facts.month = calendar.month
),

sums as (
    select
        placed.month as month,
        max(placed.as_of) as newest_as_of,
        max(placed.is_newest) as is_newest,
        max(placed.is_partial) as is_partial,
        max(placed.month_state) as month_state,
        sum(case when is_counted = 1 then placed.billed end) as billed,
        sum(case when is_counted = 1 then placed.effective end) as effective,
        sum(case when is_counted = 1 then placed.list end) as list,
        sum(case when is_counted = 1 then placed.credits end) as credits,
        sum(case when is_counted = 1 then placed.usage_effective end) as usage_effective,
        sum(case when is_counted = 1 then placed.untagged_effective end) as untagged_effective,
        sum(case when is_counted = 1 then placed.line_items end) as line_items,
        sum(case when is_counted = 1 then placed.line_items_without_rate end)
            as line_items_without_rate,
        sum(case when is_counted = 1 then placed.line_items_without_cost end)
            as line_items_without_cost,
        sum(case when is_counted = 1 and is_compared = 1 then placed.billed end)
            as compared_billed,
        sum(case when is_counted = 1 and is_compared = 1 then placed.effective end)
            as compared_effective,
        sum(case when is_before = 1 and is_compared = 1 then placed.billed end)
            as previous_billed,
        sum(case when is_before = 1 and is_compared = 1 then placed.effective end)
            as previous_effective,
        sum(case when is_before = 1 then placed.billed end) as previous_month_billed,
        sum(case when is_before = 1 then placed.effective end) as previous_month_effective,
        sum(case when is_later = 1 then placed.billed else 0 end) as dated_later_billed,
        sum(case when is_later = 1 then placed.effective else 0 end) as dated_later_effective
    from placed
    group by placed.month
),

-- what is dated after the days that count, in the newest month and in those begun
months as (
    select
        *,
        sum(dated_later_billed) over () as later_billed,
        sum(dated_later_effective) over () as later_effective
    from sums
),

budgets as (
    select
        1 as one,
        rows_of.from_month as from_month,
        rows_of.amount_usd as amount_usd
    from {values:budgets} as rows_of
),

dated as (
    select
        1 as one,
        months.*,
        case
            when months.is_newest = 1 then months.newest_as_of
            else cast(months.month + interval 1 month as date) - 1
        end as as_of,
        extract(day from months.month + interval 1 month - interval 1 day) as days_in_month
    from months
    where months.month <= months.newest_as_of
)

select
    months.month as month,
    '{reporting_currency}' as reporting_currency,
    months.as_of as as_of,
    months.is_newest as is_newest,
    months.month_state as month_state,
    months.is_partial as is_partial,
    extract(day from months.as_of) as days_elapsed,
    months.days_in_month as days_in_month,
    -- to date
    months.billed as billed,
    months.effective as effective,
    months.list as list,
    months.credits as credits,
    months.usage_effective as usage_effective,
    months.untagged_effective as untagged_effective,
    -- before
    months.compared_billed as compared_billed,
    months.compared_effective as compared_effective,
    months.previous_billed as previous_billed,
    months.previous_effective as previous_effective,
    months.previous_month_billed as previous_month_billed,
    months.previous_month_effective as previous_month_effective,
    -- to come
    case when months.is_newest = 1 then months.later_billed end as later_billed,
    case when months.is_newest = 1 then months.later_effective end as later_effective,
    case when months.is_newest = 1 then ahead.run_rate_billed end as run_rate_billed,
    case when months.is_newest = 1 then ahead.run_rate_effective end as run_rate_effective,
    months.billed + case when months.is_newest = 1 then ahead.to_come_billed else 0 end
        as projected_billed,
    months.billed + case when months.is_newest = 1 then ahead.low_billed else 0 end
        as projected_billed_low,
    months.billed + case when months.is_newest = 1 then ahead.high_billed else 0 end
        as projected_billed_high,
    months.effective + case when months.is_newest = 1 then ahead.to_come_effective else 0 end
        as projected_effective,
    months.effective + case when months.is_newest = 1 then ahead.low_effective else 0 end
        as projected_effective_low,
    months.effective + case when months.is_newest = 1 then ahead.high_effective else 0 end
        as projected_effective_high,
    case when '{reporting_currency}' = 'USD' then nullif(budgets.amount_usd, 0) end as budget,
    -- how much of it is known
    coalesce(months.line_items, 0) as line_items,
    coalesce(months.line_items_without_rate, 0) as line_items_without_rate,
    coalesce(months.line_items_without_cost, 0) as line_items_without_cost
from dated as months
cross join cost_projection as ahead
asof left join budgets
    on months.one = budgets.one and months.month >= budgets.from_month
order by month
