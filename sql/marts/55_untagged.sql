-- one row per month, configured tag key and service: usage that can have tags, and what has none
-- The key (any) is usage without any configured tag. A discount, which AWS gives on lines of its
-- own, cannot have tags; neither can what is not usage. The days that count are those of
-- cost_overview, and its usage_effective and untagged_effective are the sums of (any).
with tag_keys as (
    select '(any)' as tag_key
    union all select '{tag_column}' as tag_key -- noqa: LT11
),

days as (
    select
        x_source as source,
        cast(x_usage_date as date) as day,
        cast(date_trunc('month', x_usage_date) as date) as month,
        tag_keys.tag_key as tag_key,
        costs_of.provider_name as provider_name,
        coalesce(costs_of.service_name, '(none)') as service_name,
        coalesce(sub_account_id, '(none)') as sub_account_id,
        effective_cost / reporting_rate as effective,
        case
            when
                tag_keys.tag_key = '(any)'
                and coalesce(
                    {tag_column},
                    null
                ) is null
                then 1
            when tag_keys.tag_key = '{tag_column}' and {tag_column} is null then 1
            else 0
        end as is_untagged,
        x_lines
    from {in_reporting:costs_daily} as costs_of
    cross join tag_keys
    where x_usage_date is not null
        and charge_category = 'Usage'
        and coalesce(x_line_item_type, '') not like '%Discount'
)

select
    days.month as month,
    '{reporting_currency}' as reporting_currency,
    calendar.is_newest as is_newest,
    days.tag_key as tag_key,
    days.provider_name as provider_name,
    days.service_name as service_name,
    days.sub_account_id as sub_account_id,
    sum(days.effective) as usage_effective,
    sum(
        case
            when days.is_untagged = 1 then days.effective
            when days.effective is not null then 0
        end
    ) as untagged_effective,
    sum(days.x_lines) as line_items,
    sum(case when days.is_untagged = 1 then days.x_lines else 0 end) as untagged_line_items
from days
inner join month_sources as calendar
    on days.source = calendar.source and days.month = calendar.month
where days.day <= calendar.counted_through
group by
    days.month,
    calendar.is_newest,
    days.tag_key,
    days.provider_name,
    days.service_name,
    days.sub_account_id
order by month, tag_key, provider_name, service_name, sub_account_id
