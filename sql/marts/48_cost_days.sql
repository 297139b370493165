-- one row per source and day of use (UTC): cost, and what of it comes again
-- What is charged once, or for more than a day, does not come again every day.
with lines as (
    select
        x_source as source,
        cast(x_usage_date as date) as day,
        billed_cost / reporting_rate as billed,
        effective_cost / reporting_rate as effective,
        list_cost / reporting_rate as list,
        x_credit_amount / reporting_rate as credits,
        -- usage that can have tags: a discount, which AWS gives on lines of its own, has none
        case
            when
                charge_category = 'Usage'
                and coalesce(x_line_item_type, '') not like '%Discount'
                then 1
            else 0
        end as is_usage,
        case
            when
                charge_category not in ('Usage', 'Purchase')
                or coalesce(charge_frequency, '') = 'One-Time'
                then 'once'
            when x_spans_days then 'monthly'
            else 'daily'
        end as pace,
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
            when reporting_rate is null
                then
                    x_lines
                    - (
                        x_lines_without_billed_cost
                        + x_lines_without_effective_cost
                        - x_lines_without_cost
                    )
            else 0
        end as lines_without_rate,
        x_lines_without_cost
    from {in_reporting:costs_daily}
    where x_usage_date is not null
)

select
    source,
    day,
    '{reporting_currency}' as reporting_currency,
    sum(lines.billed) as billed,
    sum(lines.effective) as effective,
    sum(lines.list) as list,
    sum(lines.credits) as credits,
    -- 0 of no lines, NULL of lines whose amounts are all unknown
    sum(case when pace = 'daily' then lines.billed when lines.billed is not null then 0 end)
        as daily_billed,
    sum(case when pace = 'daily' then lines.effective when lines.effective is not null then 0 end)
        as daily_effective,
    sum(case when pace = 'monthly' then lines.billed when lines.billed is not null then 0 end)
        as monthly_billed,
    sum(case when pace = 'monthly' then lines.effective when lines.effective is not null then 0 end)
        as monthly_effective,
    sum(case when is_usage = 1 then lines.effective when lines.effective is not null then 0 end)
        as usage_effective,
    sum(
        case
            when is_usage = 1 and is_untagged = 1 then lines.effective
            when lines.effective is not null then 0
        end
    ) as untagged_effective,
    sum(lines.x_lines) as line_items,
    sum(lines.lines_without_rate) as line_items_without_rate,
    sum(lines.x_lines_without_cost) as line_items_without_cost
from lines
group by source, day
