-- one row per month, thing (service, account or tag value) and provider: why its cost changed
-- Of the newest three months, on the days that cost_movers compares. Usage is measured at list
-- prices, within each thing by service, account and charge category: by usage is what more or less
-- of it costs at the share of list prices that the month before paid, by price what another share
-- makes of this month's usage (discounts, commitments, spot). The rest has no list cost in both
-- months: new, gone, fees, credits. NULL where a line has no effective cost or no rate.
with kinds as (
    select 'service' as kind
    union all
    select 'account' as kind
    union all select '{tag_column}' as kind -- noqa: LT11
),

-- every day counts in its own month, and as one of the month before in the next
sides as (
    select 0 as is_before
    union all
    select 1 as is_before
),

days as (
    select
        lines.x_source as source,
        cast(lines.x_usage_date as date) as day,
        lines.provider_name as provider_name,
        coalesce(lines.service_name, '(none)') as service,
        coalesce(lines.sub_account_id, '(none)') as account,
        coalesce(lines.sub_account_name, lines.sub_account_id, '(none)') as account_name,
        coalesce(lines.{tag_column}, '(none)') as {tag_column},
        lines.charge_category as category,
        lines.list_cost / lines.reporting_rate as list,
        lines.effective_cost / lines.reporting_rate as effective,
        lines.x_lines_without_list_cost as without_list,
        lines.x_lines_without_effective_cost
        + case
            when lines.reporting_rate is null and lines.effective_cost is not null then 1
            else 0
        end as unknown
    from {in_reporting:costs_daily} as lines
    where lines.x_usage_date
        > (select cast(min(month_sources.as_of) - interval 4 month as date) from month_sources)
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
    from days
    cross join sides
),

compared as (
    select
        facts.*,
        calendar.is_newest as is_newest
    from facts
    inner join month_sources as calendar
        on facts.source = calendar.source and facts.month = calendar.month
    where calendar.month <= calendar.as_of
        and calendar.month > calendar.as_of - interval 3 month
        and extract(day from facts.day) between calendar.compared_from and calendar.compared_to
        and (facts.is_before = 1 or facts.day <= calendar.counted_through)
),

things as (
    select
        compared.month as month,
        compared.is_newest as is_newest,
        kinds.kind as kind,
        compared.provider_name as provider_name,
        case
            when kinds.kind = 'service' then compared.service
            when kinds.kind = 'account' then compared.account
            when kinds.kind = '{tag_column}' then compared.{tag_column}
            else ''
        end as id,
        case
            when kinds.kind = 'account' then compared.account_name
            else ''
        end as name,
        compared.service as service,
        compared.account as account,
        compared.category as category,
        compared.is_before as is_before,
        compared.list as list,
        compared.effective as effective,
        compared.without_list as without_list,
        compared.unknown as unknown
    from compared
    cross join kinds
),

by_part as (
    select
        things.month as month,
        max(things.is_newest) as is_newest,
        things.kind as kind,
        things.provider_name as provider_name,
        things.id as id,
        max(things.name) as name,
        sum(things.unknown) as unknown,
        sum(things.without_list) as without_list,
        coalesce(sum(case when things.is_before = 0 then things.list end), 0) as used,
        coalesce(sum(case when things.is_before = 1 then things.list end), 0) as used_before,
        coalesce(sum(case when things.is_before = 0 then things.effective end), 0) as cost,
        coalesce(sum(case when things.is_before = 1 then things.effective end), 0) as cost_before
    from things
    group by
        things.month,
        things.kind,
        things.provider_name,
        things.id,
        things.service,
        things.account,
        things.category
),

caused as (
    select
        by_part.*,
        -- what this month's usage costs at the month before's share; NULL where it has none
        case
            when by_part.without_list = 0 and by_part.used > 0 and by_part.used_before > 0
                then by_part.cost_before * by_part.used / nullif(by_part.used_before, 0)
        end as at_old_share
    from by_part
),

summed as (
    select
        caused.month as month,
        max(caused.is_newest) as is_newest,
        caused.kind as kind,
        caused.provider_name as provider_name,
        caused.id as id,
        max(caused.name) as name,
        sum(caused.unknown) as unknown,
        sum(caused.cost) as cost,
        sum(caused.cost_before) as cost_before,
        sum(coalesce(caused.at_old_share - caused.cost_before, 0)) as by_usage,
        sum(coalesce(caused.cost - caused.at_old_share, 0)) as by_price,
        sum(case when caused.at_old_share is null then caused.cost - caused.cost_before else 0 end)
            as by_rest
    from caused
    group by caused.month, caused.kind, caused.provider_name, caused.id
)

select
    summed.month as month,
    '{reporting_currency}' as reporting_currency,
    summed.is_newest as is_newest,
    summed.kind as kind,
    summed.provider_name as provider_name,
    summed.id as id,
    case when summed.name = '' then summed.id else summed.name end as name,
    case when summed.unknown = 0 then summed.cost end as effective,
    case when summed.unknown = 0 then summed.cost_before end as previous_effective,
    case when summed.unknown = 0 then summed.cost - summed.cost_before end as change_effective,
    case when summed.unknown = 0 then summed.by_usage end as change_by_usage,
    case when summed.unknown = 0 then summed.by_price end as change_by_price,
    case when summed.unknown = 0 then summed.by_rest end as change_otherwise
from summed
order by month, kind, provider_name, id
