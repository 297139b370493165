-- one row per month, provider and commitment, in USD, and one for on-demand usage beside them
-- used is the effective cost of usage that a commitment paid for, unused the cost of the rest:
-- utilisation is used / (used + unused). What a commitment covered counts at list price, and so
-- does on-demand usage of the services that had any covered usage in that month: coverage is
-- covered / (covered + on demand).
with lines as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        provider_name,
        coalesce(service_name, '') as service,
        case
            when
                commitment_discount_status = 'Used' and charge_category = 'Usage'
                then 'used'
            when commitment_discount_status = 'Unused' then 'unused'
            when
                charge_category = 'Usage'
                and pricing_category in ('Standard', 'Dynamic')
                and list_cost > 0
                then 'on demand'
            else 'other'
        end as part,
        coalesce(commitment_discount_type, '') as type,
        coalesce(commitment_discount_id, '') as id,
        x_effective_cost_usd as effective,
        x_billed_cost_usd as billed,
        list_cost / x_currency_rate_usd as list
    from costs
    where x_usage_date is not null
),

services as (
    select
        month,
        provider_name,
        service,
        part,
        type,
        id,
        sum(lines.effective) as effective,
        sum(lines.billed) as billed,
        sum(lines.list) as list,
        max(max(case when lines.part = 'used' then 1 else 0 end))
            over (partition by month, provider_name, service) as is_coverable
    from lines
    where part <> 'other'
    group by month, provider_name, service, part, type, id
)

select
    month,
    provider_name,
    case when part = 'on demand' then 'On demand' else type end as commitment_type,
    case when part = 'on demand' then '' else id end as commitment_id,
    sum(case when part = 'used' then coalesce(effective, 0) else 0 end) as used_cost,
    sum(case when part = 'unused' then coalesce(effective, 0) else 0 end) as unused_cost,
    sum(case when part = 'used' then coalesce(list, 0) else 0 end) as covered_list,
    sum(case when part = 'on demand' then coalesce(list, 0) else 0 end) as on_demand_list
from services
where part <> 'on demand' or is_coverable = 1
group by
    month,
    provider_name,
    case when part = 'on demand' then 'On demand' else type end,
    case when part = 'on demand' then '' else id end
order by month, provider_name, commitment_type, commitment_id
