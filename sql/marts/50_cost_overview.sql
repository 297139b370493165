-- one row per month of use (UTC), in USD: the cost up to its newest day, and a projection
-- The newest month ends on the newest day of use in the data so far; the others on their last day.
with kinds as (
    select
        cast(x_usage_date as date) as usage_date,
        billing_currency,
        x_currency_rate_usd,
        -- usage that can have tags: a discount, which AWS gives on lines of its own, has none
        case
            when
                charge_category = 'Usage'
                and coalesce(x_line_item_type, '') not like '%Discount'
                then 1
            else 0
        end as is_usage,
        -- comes again every day: what is charged once, or for more than a day, does not
        case
            when
                charge_category in ('Usage', 'Purchase')
                and coalesce(charge_frequency, '') <> 'One-Time'
                and not x_spans_days
                then 1
            else 0
        end as is_steady,
        case
            when
                false
                or {tag_column} is not null
                then 0
            else 1
        end as is_untagged,
        billed_cost,
        effective_cost,
        list_cost,
        x_credit_amount,
        x_lines,
        x_lines_without_cost,
        x_lines_without_billed_cost,
        x_lines_without_effective_cost
    from costs_daily
    where x_usage_date is not null
),

-- in the billing currency: few rows are left to be converted
summed as (
    select
        usage_date,
        billing_currency,
        x_currency_rate_usd,
        case when x_currency_rate_usd is null then usage_date end as rate_day,
        is_usage,
        is_steady,
        is_untagged,
        sum(billed_cost) as billed,
        sum(effective_cost) as effective,
        sum(list_cost) as list,
        sum(x_credit_amount) as credits,
        sum(x_lines) as line_items,
        sum(x_lines_without_cost) as without_cost,
        -- lines with neither cost count in both of these, and once in the other
        sum(x_lines_without_billed_cost) + sum(x_lines_without_effective_cost)
        - sum(x_lines_without_cost) as without_any
    from kinds
    group by
        usage_date, billing_currency, x_currency_rate_usd, is_usage, is_steady, is_untagged
),

converted as (
    select
        each.*,
        each.billed / each.usd_rate as billed_usd,
        each.effective / each.usd_rate as effective_usd
    from {rated:summed} as each
),

days as (
    select
        cast(date_trunc('month', usage_date) as date) as month,
        extract(day from usage_date) as day,
        usage_date,
        sum(billed_usd) as billed,
        sum(effective_usd) as effective,
        sum(converted.list / converted.usd_rate) as list,
        sum(converted.credits / converted.usd_rate) as credits,
        -- 0 of no lines, NULL of lines whose amounts are all unknown
        sum(case when is_steady = 1 or billed_usd is null then billed_usd else 0 end)
            as steady_billed,
        sum(case when is_steady = 1 or effective_usd is null then effective_usd else 0 end)
            as steady_effective,
        sum(case when is_usage = 1 or effective_usd is null then effective_usd else 0 end)
            as usage_effective,
        sum(
            case
                when is_usage * is_untagged = 1 or effective_usd is null then effective_usd
                else 0
            end
        ) as untagged_effective,
        sum(converted.line_items) as line_items,
        sum(
            case
                when usd_rate is null then converted.line_items - converted.without_any
                else 0
            end
        )
            as line_items_without_usd,
        sum(without_cost) as line_items_without_cost
    from converted
    group by usage_date
),

-- every day counts in its own month, and as one of the month before in the next
sides as (
    select 0 as is_before
    union all
    select 1 as is_before
),

facts as (
    select
        days.*,
        sides.is_before as is_before,
        case
            when sides.is_before = 1 then cast(days.month + interval 1 month as date)
            else days.month
        end as in_month,
        max(days.month) over () as newest_month
    from days
    cross join sides
),

-- the days of a month that have passed, in the data
dated as (
    select
        facts.*,
        max(case when facts.is_before = 0 then facts.usage_date end)
            over (partition by facts.in_month) as newest_date,
        extract(day from facts.in_month + interval 1 month - interval 1 day) as days_in_month,
        cast(facts.in_month + interval 1 month - interval 1 day as date) as last_date,
        case when facts.in_month = facts.newest_month then 1 else 0 end as is_newest
    from facts
),

calendar as (
    select
        dated.*,
        case when dated.is_newest = 1 then dated.newest_date else dated.last_date end as as_of,
        -- with the same days; a month that is over is compared with the whole month before
        case
            when dated.is_newest = 1 and dated.newest_date < dated.last_date
                then extract(day from dated.newest_date)
            else 31
        end as days_compared
    from dated
    where dated.newest_date is not null
),

months as (
    select
        in_month as month,
        as_of,
        is_newest,
        extract(day from as_of) as days_elapsed,
        days_in_month,
        sum(case when each.is_before = 0 then each.billed end) as billed,
        sum(case when each.is_before = 0 then each.effective end) as effective,
        sum(case when each.is_before = 0 then each.list end) as list,
        sum(case when each.is_before = 0 then each.credits end) as credits,
        sum(case when each.is_before = 0 then each.steady_billed end) as steady_billed,
        sum(case when each.is_before = 0 then each.steady_effective end) as steady_effective,
        sum(case when each.is_before = 0 then each.usage_effective end) as usage_effective,
        sum(case when each.is_before = 0 then each.untagged_effective end) as untagged_effective,
        sum(case when each.is_before = 0 then each.line_items end) as line_items,
        sum(case when each.is_before = 0 then each.line_items_without_usd end)
            as line_items_without_usd,
        sum(case when each.is_before = 0 then each.line_items_without_cost end)
            as line_items_without_cost,
        sum(case when each.is_before = 1 and each.day <= each.days_compared then each.billed end)
            as previous_billed,
        sum(
            case when each.is_before = 1 and each.day <= each.days_compared then each.effective end
        ) as previous_effective,
        sum(case when each.is_before = 1 then each.billed end) as previous_month_billed,
        sum(case when each.is_before = 1 then each.effective end) as previous_month_effective
    from calendar as each
    group by in_month, as_of, is_newest, days_in_month
),

budgets as (
    select
        1 as one,
        rows_of.from_month as from_month,
        rows_of.amount_usd as amount_usd
    from {values:budgets} as rows_of
)

select
    months.month as month,
    months.as_of as as_of,
    months.is_newest as is_newest,
    case
        when months.month in (select partial_months.month from partial_months) then 1 else 0
    end as is_partial,
    months.days_elapsed as days_elapsed,
    months.days_in_month as days_in_month,
    -- to date
    months.billed as billed,
    months.effective as effective,
    months.list as list,
    months.credits as credits,
    months.usage_effective as usage_effective,
    months.untagged_effective as untagged_effective,
    -- before
    months.previous_billed as previous_billed,
    months.previous_effective as previous_effective,
    months.previous_month_billed as previous_month_billed,
    months.previous_month_effective as previous_month_effective,
    -- to come
    months.steady_billed / months.days_elapsed as run_rate_billed,
    months.steady_effective / months.days_elapsed as run_rate_effective,
    months.billed
    + months.steady_billed / months.days_elapsed * (months.days_in_month - months.days_elapsed)
        as projected_billed,
    months.effective
    + months.steady_effective / months.days_elapsed * (months.days_in_month - months.days_elapsed)
        as projected_effective,
    nullif(budgets.amount_usd, 0) as budget,
    -- how much of it is known
    months.line_items as line_items,
    months.line_items_without_usd as line_items_without_usd,
    months.line_items_without_cost as line_items_without_cost
from (select 1 as one, months.* from months) as months
asof left join budgets
    on months.one = budgets.one and months.month >= budgets.from_month
order by month
