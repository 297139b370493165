-- one row per month, provider and commitment, in USD, and one of what ran on demand beside them
-- Used is the effective cost of usage a commitment paid for, unused that of commitment nobody used:
-- utilisation is used / (used + unused). What a commitment covered counts at list price, and so
-- does on-demand usage of the services that had any covered usage in that month: coverage is
-- covered / (covered + on demand). NULL where a line's currency has no rate.
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
            -- a fee of Google's without a credit for its use: how much was used is not known
            when
                x_source = 'gcp'
                and charge_category = 'Purchase'
                and commitment_discount_type is not null
                then 'used'
            when
                charge_category = 'Usage'
                and pricing_category in ('Standard', 'Dynamic')
                and list_cost > 0
                then 'on demand'
            else 'other'
        end as part,
        coalesce(commitment_discount_type, '') as type,
        -- Google's usage does not name the commitment that paid for it
        case when x_source = 'gcp' then '' else coalesce(commitment_discount_id, '') end as id,
        effective_cost / usd_rate as effective,
        billed_cost / usd_rate as billed,
        list_cost / usd_rate as list,
        case when usd_rate is null then 1 else 0 end as is_unrated
    from {rated:costs}
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
        sum(lines.is_unrated) as unrated,
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
    case
        when sum(case when part = 'used' then unrated else 0 end) = 0
            then sum(case when part = 'used' then coalesce(effective, 0) else 0 end)
    end as used_cost,
    case
        when sum(case when part = 'unused' then unrated else 0 end) = 0
            then sum(case when part = 'unused' then coalesce(effective, 0) else 0 end)
    end as unused_cost,
    case
        when sum(case when part = 'used' then unrated else 0 end) = 0
            then sum(case when part = 'used' then coalesce(list, 0) else 0 end)
    end as covered_list,
    case
        when sum(case when part = 'on demand' then unrated else 0 end) = 0
            then sum(case when part = 'on demand' then coalesce(list, 0) else 0 end)
    end as on_demand_list
from services
where part <> 'on demand' or is_coverable = 1
group by
    month,
    provider_name,
    case when part = 'on demand' then 'On demand' else type end,
    case when part = 'on demand' then '' else id end
order by month, provider_name, commitment_type, commitment_id
