-- one row per month, configured tag key and service: usage that can have tags, and what has none
-- The key (any) is usage without any configured tag. A discount, which AWS gives on lines of its
-- own, cannot have tags; neither can what is not usage. The days that count are those of
-- cost_overview, and its usage_effective and untagged_effective are the sums of (any).
with tag_keys as (
    select '(any)' as tag_key
    union all select '{tag_column}' as tag_key -- noqa: LT11
),

lines as (
    select
        calendar.month as month,
        calendar.is_newest as is_newest,
        costs_of.provider_name as provider_name,
        coalesce(costs_of.service_name, '(none)') as service_name,
        coalesce(costs_of.sub_account_id, '(none)') as sub_account_id,
        costs_of.{tag_column} as {tag_column},
        coalesce(
            costs_of.{tag_column},
            null
        ) as any_tag,
        costs_of.effective_cost / costs_of.reporting_rate as effective,
        costs_of.x_lines as x_lines
    from {in_reporting:costs_daily} as costs_of
    inner join month_sources as calendar
        on costs_of.x_source = calendar.source
        and cast(date_trunc('month', costs_of.x_usage_date) as date) = calendar.month
    where costs_of.x_usage_date is not null
        and costs_of.x_usage_date <= calendar.counted_through
        and costs_of.charge_category = 'Usage'
        and coalesce(costs_of.x_line_item_type, '') not like '%Discount'
),

-- summed for every key at once: as a row for each key, lines would be many times as many
usage as (
    select
        month,
        is_newest,
        provider_name,
        service_name,
        sub_account_id,
        sum(case when {tag_column} is null then lines.effective end) as effective_{tag_column},
        sum(case when {tag_column} is null then lines.x_lines end) as lines_{tag_column},
        sum(case when any_tag is null then lines.effective end) as effective_any,
        sum(case when any_tag is null then lines.x_lines end) as lines_any,
        sum(lines.effective) as effective,
        sum(lines.x_lines) as line_items
    from lines
    group by month, is_newest, provider_name, service_name, sub_account_id
)

select
    usage.month as month,
    '{reporting_currency}' as reporting_currency,
    usage.is_newest as is_newest,
    tag_keys.tag_key as tag_key,
    usage.provider_name as provider_name,
    usage.service_name as service_name,
    usage.sub_account_id as sub_account_id,
    usage.effective as usage_effective,
    -- 0 of no lines, NULL of lines whose amounts are all unknown
    case
        when usage.effective is null then null
        when tag_keys.tag_key = '{tag_column}' then coalesce(usage.effective_{tag_column}, 0)
        else coalesce(usage.effective_any, 0)
    end as untagged_effective,
    usage.line_items as line_items,
    case
        when tag_keys.tag_key = '{tag_column}' then coalesce(usage.lines_{tag_column}, 0)
        else coalesce(usage.lines_any, 0)
    end as untagged_line_items
from usage
cross join tag_keys
order by month, tag_key, provider_name, service_name, sub_account_id
