-- one row per month of use (UTC), in USD: the cost up to its newest day, and a projection
-- The newest month ends on the newest day of use in the data so far; the others on their last day.
with days_of_cost as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        cast(x_usage_date as date) as usage_date,
        extract(day from x_usage_date) as day,
        billed_cost / usd_rate as billed,
        effective_cost / usd_rate as effective,
        list_cost / usd_rate as list,
        x_credit_amount / usd_rate as credits,
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
                coalesce(
                    {tag_column},
                    null
                ) is null
                then 1
            else 0
        end as is_untagged,
        x_lines,
        -- lines with any cost: those with neither count in both columns, and once in the third
        case
            when usd_rate is null
                then
                    x_lines
                    - (
                        x_lines_without_billed_cost
                        + x_lines_without_effective_cost
                        - x_lines_without_cost
                    )
            else 0
        end as lines_without_usd,
        x_lines_without_cost
    from {rated:costs_daily}
    where x_usage_date is not null
),

days as (
    select
        month,
        day,
        max(each.usage_date) as usage_date,
        sum(each.billed) as billed,
        sum(each.effective) as effective,
        sum(each.list) as list,
        sum(each.credits) as credits,
        -- 0 of no lines, NULL of lines whose amounts are all unknown
        sum(
            case
                when each.is_steady = 1 then each.billed
                when each.billed is not null then 0
            end
        ) as steady_billed,
        sum(
            case
                when each.is_steady = 1 then each.effective
                when each.effective is not null then 0
            end
        ) as steady_effective,
        sum(
            case
                when each.is_usage = 1 then each.effective
                when each.effective is not null then 0
            end
        ) as usage_effective,
        sum(
            case
                when each.is_usage = 1 and each.is_untagged = 1 then each.effective
                when each.effective is not null then 0
            end
        ) as untagged_effective,
        sum(each.x_lines) as line_items,
        sum(each.lines_without_usd) as line_items_without_usd,
        sum(each.x_lines_without_cost) as line_items_without_cost
    from days_of_cost as each
    group by month, day
),

-- the days of a month that have passed, in the data
calendar as (
    select
        month,
        is_newest,
        days_in_month,
        case when is_newest = 1 then newest_day else days_in_month end as days_elapsed,
        -- with the same days; a month that is over is compared with the whole month before
        case when is_newest = 1 and newest_day < days_in_month then newest_day else 31 end
            as days_compared,
        case when is_newest = 1 then newest_date else last_date end as as_of
    from (
        select
            month,
            max(day) as newest_day,
            max(usage_date) as newest_date,
            cast(month + interval 1 month - interval 1 day as date) as last_date,
            case when month = max(month) over () then 1 else 0 end as is_newest,
            extract(day from month + interval 1 month - interval 1 day) as days_in_month
        from days
        group by month
    ) as months
),

-- every day counts in its own month, and as one of the month before in the next
facts as (
    select
        month,
        0 as is_before,
        day,
        billed,
        effective,
        list,
        credits,
        steady_billed,
        steady_effective,
        usage_effective,
        untagged_effective,
        line_items,
        line_items_without_usd,
        line_items_without_cost
    from days
    union all
    select
        cast(month + interval 1 month as date) as month,
        1 as is_before,
        day,
        billed,
        effective,
        null as list,
        null as credits,
        null as steady_billed,
        null as steady_effective,
        null as usage_effective,
        null as untagged_effective,
        null as line_items,
        null as line_items_without_usd,
        null as line_items_without_cost
    from days
),

months as (
    select
        calendar.month as month,
        calendar.as_of as as_of,
        calendar.is_newest as is_newest,
        calendar.days_elapsed as days_elapsed,
        calendar.days_compared as days_compared,
        calendar.days_in_month as days_in_month,
        sum(case when facts.is_before = 0 then facts.billed end) as billed,
        sum(case when facts.is_before = 0 then facts.effective end) as effective,
        sum(facts.list) as list,
        sum(facts.credits) as credits,
        sum(facts.steady_billed) as steady_billed,
        sum(facts.steady_effective) as steady_effective,
        sum(facts.usage_effective) as usage_effective,
        sum(facts.untagged_effective) as untagged_effective,
        sum(facts.line_items) as line_items,
        sum(facts.line_items_without_usd) as line_items_without_usd,
        sum(facts.line_items_without_cost) as line_items_without_cost,
        sum(
            case
                when facts.is_before = 1 and facts.day <= calendar.days_compared
                    then facts.billed
            end
        ) as previous_billed,
        sum(
            case
                when facts.is_before = 1 and facts.day <= calendar.days_compared
                    then facts.effective
            end
        ) as previous_effective,
        sum(case when facts.is_before = 1 then facts.billed end) as previous_month_billed,
        sum(case when facts.is_before = 1 then facts.effective end) as previous_month_effective
    from calendar
    inner join facts on calendar.month = facts.month
    group by
        calendar.month,
        calendar.as_of,
        calendar.is_newest,
        calendar.days_elapsed,
        calendar.days_compared,
        calendar.days_in_month
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
