-- one row per month, provider and service, and one per account: what moved, in USD
-- Against the same days of the month before; a month that is over, against the whole month before.
with days as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        extract(day from x_usage_date) as day,
        provider_name,
        service_name,
        sub_account_id,
        max(costs.sub_account_name) as sub_account_name,
        sum(x_billed_cost_usd) as billed,
        sum(x_effective_cost_usd) as effective
    from costs
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
        effective
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
        effective
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
        effective
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
        effective
    from named
),

compared as (
    select
        calendar.month as month,
        calendar.is_newest as is_newest,
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
        ) as previous_effective
    from (
        select
            month,
            is_newest,
            case when days_elapsed < days_in_month then days_elapsed else 31 end as days_compared
        from cost_overview
    ) as calendar
    inner join facts on calendar.month = facts.month
    group by
        calendar.month, calendar.is_newest, facts.kind, facts.provider_name, facts.id
)

select
    month,
    is_newest,
    kind,
    provider_name,
    id,
    name,
    coalesce(billed, 0) as billed,
    coalesce(effective, 0) as effective,
    coalesce(previous_billed, 0) as previous_billed,
    coalesce(previous_effective, 0) as previous_effective,
    coalesce(billed, 0) - coalesce(previous_billed, 0) as change_billed,
    coalesce(effective, 0) - coalesce(previous_effective, 0) as change_effective
from compared
order by month, kind, provider_name, id
