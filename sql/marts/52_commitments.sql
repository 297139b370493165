-- one row per month, provider and commitment, and one for on-demand usage beside them
-- used is the effective cost of usage that a commitment paid for, unused the cost of the rest:
-- utilisation is used / (used + unused). What a commitment covered counts at list price, and so
-- does what it could have covered: usage at on-demand prices, never spot, of a family that had a
-- savings plan in that month, or of a service that had a reservation. Where a line's family is not
-- known, its service decides. Coverage is covered / (covered + on demand).
-- NULL where a line of the commitment has no such cost, as those of Dedicated Hosts, or its
-- currency no rate.
-- A commitment ends when its latest line says: one that was renewed under its id has a later end.
with lines as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        provider_name,
        coalesce(service_name, '') as service,
        coalesce(x_commitment_family, '') as family,
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
                and pricing_category = 'Standard'
                and list_cost > 0
                and coalesce(x_commitment_family, '') <> 'none'
                then 'on demand'
            else 'other'
        end as part,
        coalesce(commitment_discount_type, '') as type,
        -- Google's usage does not name the commitment that paid for it
        case when x_source = 'gcp' then '' else coalesce(commitment_discount_id, '') end as id,
        effective_cost / reporting_rate as effective,
        list_cost / reporting_rate as list,
        cast(coalesce(x_commitment_end, cast('1970-01-01 00:00:00' as timestamp)) as date)
            as ends_on,
        case when reporting_rate is null then x_lines else x_lines_without_effective_cost end
            as without_effective,
        case when reporting_rate is null then x_lines else x_lines_without_list_cost end
            as without_list
    from {in_reporting:costs_daily}
    where x_usage_date is not null
),

services as (
    select
        month,
        provider_name,
        service,
        family,
        part,
        type,
        id,
        sum(lines.effective) as effective,
        sum(lines.list) as list,
        sum(lines.without_effective) as without_effective,
        sum(lines.without_list) as without_list,
        max(lines.ends_on) as ends_on,
        max(max(case when lines.part = 'used' and lines.type = 'Savings Plan' then 1 else 0 end))
            over (partition by month, provider_name, family) as has_plan,
        max(
            max(
                case
                    when
                        lines.part = 'used'
                        and (lines.type <> 'Savings Plan' or lines.family = '')
                        then 1
                    else 0
                end
            )
        ) over (partition by month, provider_name, service) as has_commitment
    from lines
    where part <> 'other'
    group by month, provider_name, service, family, part, type, id
),

parts as (
    select
        month,
        provider_name,
        case when part = 'on demand' then 'On demand' else type end as commitment_type,
        case when part = 'on demand' then '' else id end as commitment_id,
        part,
        sum(effective) as effective,
        sum(list) as list,
        sum(without_effective) as without_effective,
        sum(without_list) as without_list,
        max(ends_on) as ends_on
    from services
    where part <> 'on demand' or has_commitment = 1 or (has_plan = 1 and family <> '')
    group by
        month,
        provider_name,
        case when part = 'on demand' then 'On demand' else type end,
        case when part = 'on demand' then '' else id end,
        part
),

months as (
    select
        month,
        provider_name,
        commitment_type,
        commitment_id,
        case
            when sum(case when part = 'used' then without_effective else 0 end) = 0
                then sum(case when part = 'used' then effective else 0 end)
        end as used_cost,
        case
            when sum(case when part = 'unused' then without_effective else 0 end) = 0
                then sum(case when part = 'unused' then effective else 0 end)
        end as unused_cost,
        case
            when sum(case when part = 'used' then without_list else 0 end) = 0
                then sum(case when part = 'used' then list else 0 end)
        end as covered_list,
        case
            when sum(case when part = 'on demand' then without_list else 0 end) = 0
                then sum(case when part = 'on demand' then list else 0 end)
        end as on_demand_list,
        sum(case when part <> 'on demand' then without_effective else 0 end)
            as line_items_without_cost,
        nullif(
            max(max(parts.ends_on)) over (partition by provider_name, commitment_id),
            cast('1970-01-01' as date)
        ) as ends_on
    from parts
    group by month, provider_name, commitment_type, commitment_id
)

select
    month,
    case when month in (select partial_months.month from partial_months) then 1 else 0 end
        as is_partial,
    '{reporting_currency}' as reporting_currency,
    provider_name,
    commitment_type,
    commitment_id,
    used_cost,
    unused_cost,
    covered_list,
    on_demand_list,
    line_items_without_cost,
    ends_on,
    date_diff(
        'day',
        -- as of the same day as the month's row of cost_overview
        least(
            cast(months.month + interval 1 month as date) - 1,
            (select max(complete_through.as_of) from complete_through)
        ),
        ends_on
    ) as days_left
from months
order by month, provider_name, commitment_type, commitment_id
