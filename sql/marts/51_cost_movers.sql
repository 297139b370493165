-- one row per month, provider and service, and one per account: what moved, in USD
-- Against the same days of the month before; a month that is over, against the whole month before.
with newest as (
    select max(x_usage_date) as newest_date
    from costs_daily
),

-- the newest month, its last day, and how many days of the month before it is compared with
calendar as (
    select
        cast(date_trunc('month', newest_date) as date) as newest_month,
        case
            when newest_date < cast(
                date_trunc('month', newest_date) + interval 1 month - interval 1 day as date
            )
                then extract(day from newest_date)
            else 31
        end as days_compared
    from newest
),

summed as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        -- of a month before one that is not over, only as many days are compared
        case
            when
                cast(date_trunc('month', x_usage_date) + interval 1 month as date) = newest_month
                and extract(day from x_usage_date) > days_compared
                then 0
            else 1
        end as is_compared,
        newest_month,
        provider_name,
        service_name,
        sub_account_id,
        billing_currency,
        x_currency_rate_usd,
        case when x_currency_rate_usd is null then x_usage_date end as rate_day,
        max(costs_daily.sub_account_name) as sub_account_name,
        sum(billed_cost) as billed,
        sum(effective_cost) as effective
    from costs_daily
    cross join calendar
    where x_usage_date is not null
    group by
        cast(date_trunc('month', x_usage_date) as date),
        case
            when
                cast(date_trunc('month', x_usage_date) + interval 1 month as date) = newest_month
                and extract(day from x_usage_date) > days_compared
                then 0
            else 1
        end,
        newest_month,
        provider_name,
        service_name,
        sub_account_id,
        billing_currency,
        x_currency_rate_usd,
        case when x_currency_rate_usd is null then x_usage_date end
),

-- every month as itself and as the one before, by service and by account
sides as (
    select 0 as is_before, 'service' as kind
    union all
    select 0 as is_before, 'account' as kind
    union all
    select 1 as is_before, 'service' as kind
    union all
    select 1 as is_before, 'account' as kind
),

facts as (
    select
        case
            when sides.is_before = 1 then cast(months.month + interval 1 month as date)
            else months.month
        end as in_month,
        months.newest_month as newest_month,
        sides.is_before as is_before,
        sides.kind as kind,
        months.provider_name as provider_name,
        case
            when sides.kind = 'service' then coalesce(months.service_name, '(none)')
            else coalesce(months.sub_account_id, '(none)')
        end as id,
        case
            when sides.kind = 'service' then coalesce(months.service_name, '(none)')
            else coalesce(months.sub_account_name, months.sub_account_id, '(none)')
        end as name,
        case when sides.is_before = 0 then 1 else months.is_compared end as is_compared,
        months.billed / months.usd_rate as billed,
        months.effective / months.usd_rate as effective,
        case
            when
                months.usd_rate is null
                and (months.billed is not null or months.effective is not null)
                then 1
            else 0
        end as unrated
    from {rated:summed} as months
    cross join sides
),

-- months without a line of their own have no row
present as (
    select
        facts.*,
        min(facts.is_before) over (partition by facts.in_month) as is_absent
    from facts
),

compared as (
    select
        in_month as month,
        case when in_month = newest_month then 1 else 0 end as is_newest,
        kind,
        provider_name,
        id,
        max(each.name) as name,
        sum(case when each.is_before = 0 then each.billed else 0 end) as billed,
        sum(case when each.is_before = 0 then each.effective else 0 end) as effective,
        sum(case when each.is_before = 1 and each.is_compared = 1 then each.billed else 0 end)
            as previous_billed,
        sum(case when each.is_before = 1 and each.is_compared = 1 then each.effective else 0 end)
            as previous_effective,
        sum(case when each.is_before = 0 then each.unrated else 0 end) as unrated,
        sum(case when each.is_before = 1 and each.is_compared = 1 then each.unrated else 0 end)
            as previous_unrated
    from present as each
    where each.is_absent = 0
    group by in_month, newest_month, kind, provider_name, id
),

-- NULL where a line has no rate: a sum that is too small helps nobody
known as (
    select
        month,
        is_newest,
        case
            when month in (select partial_months.month from partial_months) then 1 else 0
        end as is_partial,
        kind,
        provider_name,
        id,
        name,
        case when unrated = 0 then coalesce(billed, 0) end as billed,
        case when unrated = 0 then coalesce(effective, 0) end as effective,
        case when previous_unrated = 0 then coalesce(previous_billed, 0) end as previous_billed,
        case when previous_unrated = 0 then coalesce(previous_effective, 0) end
            as previous_effective
    from compared
)

select
    month,
    is_newest,
    is_partial,
    kind,
    provider_name,
    id,
    name,
    billed,
    effective,
    previous_billed,
    previous_effective,
    billed - previous_billed as change_billed,
    effective - previous_effective as change_effective
from known
order by month, kind, provider_name, id
