-- one row per month, provider and service, and one per account: what moved, in USD
-- Against the same days of the month before; a month that is over, against the whole month before.
with days as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        extract(day from x_usage_date) as day,
        provider_name,
        service_name,
        sub_account_id,
        max(lines.sub_account_name) as sub_account_name,
        sum(billed_cost / usd_rate) as billed,
        sum(effective_cost / usd_rate) as effective,
        sum(
            case
                when
                    usd_rate is null and (billed_cost is not null or effective_cost is not null)
                    then 1
                else 0
            end
        ) as unrated
    from {rated:costs_daily} as lines
    where x_usage_date is not null
    group by
        date_trunc('month', x_usage_date),
        extract(day from x_usage_date),
        provider_name,
        service_name,
        sub_account_id
),

named as (
    select
        month,
        day,
        'service' as kind,
        provider_name,
        coalesce(service_name, '(none)') as id,
        coalesce(service_name, '(none)') as name,
        billed,
        effective,
        unrated
    from days
    union all
    select
        month,
        day,
        'account' as kind,
        provider_name,
        coalesce(sub_account_id, '(none)') as id,
        coalesce(sub_account_name, sub_account_id, '(none)') as name,
        billed,
        effective,
        unrated
    from days
),

facts as (
    select
        month,
        0 as is_before,
        day,
        kind,
        provider_name,
        id,
        name,
        billed,
        effective,
        unrated
    from named
    union all
    select
        cast(month + interval 1 month as date) as month,
        1 as is_before,
        day,
        kind,
        provider_name,
        id,
        name,
        billed,
        effective,
        unrated
    from named
),

compared as (
    select
        calendar.month as month,
        calendar.is_newest as is_newest,
        calendar.is_partial as is_partial,
        facts.kind as kind,
        facts.provider_name as provider_name,
        facts.id as id,
        max(facts.name) as name,
        sum(case when facts.is_before = 0 then facts.billed else 0 end) as billed,
        sum(case when facts.is_before = 0 then facts.effective else 0 end) as effective,
        sum(
            case
                when facts.is_before = 1 and facts.day <= calendar.days_compared
                    then facts.billed
                else 0
            end
        ) as previous_billed,
        sum(
            case
                when facts.is_before = 1 and facts.day <= calendar.days_compared
                    then facts.effective
                else 0
            end
        ) as previous_effective,
        sum(case when facts.is_before = 0 then facts.unrated else 0 end) as unrated,
        sum(
            case
                when facts.is_before = 1 and facts.day <= calendar.days_compared
                    then facts.unrated
                else 0
            end
        ) as previous_unrated
    from (
        select
            month,
            is_newest,
            is_partial,
            case when days_elapsed < days_in_month then days_elapsed else 31 end as days_compared
        from cost_overview
    ) as calendar
    inner join facts on calendar.month = facts.month
    group by
        calendar.month,
        calendar.is_newest,
        calendar.is_partial,
        facts.kind,
        facts.provider_name,
        facts.id
),

-- NULL where a line has no rate: a sum that is too small helps nobody
known as (
    select
        month,
        is_newest,
        is_partial,
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
