-- one row per month, provider and service, and one per account: what moved
-- The days that count and are compared are those of cost_overview. The change is NULL where a
-- source has no day to compare.
with dated as (
    select
        days.source as source,
        days.day as day,
        own.month as month,
        case when days.day <= own.counted_through then 1 else 0 end as is_counted,
        case
            when extract(day from days.day)
                between own.compared_from and own.compared_to then 1
            else 0
        end as is_compared,
        case
            when extract(day from days.day)
                between following.compared_from and following.compared_to then 1
            else 0
        end as is_compared_next
    from cost_days as days
    inner join month_sources as own
        on days.source = own.source
        and cast(date_trunc('month', days.day) as date) = own.month
    left join month_sources as following
        on days.source = following.source
        and cast(date_trunc('month', days.day) + interval 1 month as date) = following.month
),

-- days of a month that count alike are one
days as (
    select
        dated.source as source,
        dated.month as month,
        dated.is_counted as is_counted,
        dated.is_compared as is_compared,
        dated.is_compared_next as is_compared_next,
        lines.provider_name as provider_name,
        lines.service_name as service_name,
        lines.sub_account_id as sub_account_id,
        max(lines.sub_account_name) as sub_account_name,
        sum(lines.billed_cost / lines.reporting_rate) as billed,
        sum(lines.effective_cost / lines.reporting_rate) as effective,
        sum(
            case
                when
                    lines.reporting_rate is null
                    and (lines.billed_cost is not null or lines.effective_cost is not null)
                    then 1
                else 0
            end
        ) as unrated
    from {in_reporting:costs_daily} as lines
    inner join dated on lines.x_source = dated.source and lines.x_usage_date = dated.day
    group by
        dated.source,
        dated.month,
        dated.is_counted,
        dated.is_compared,
        dated.is_compared_next,
        lines.provider_name,
        lines.service_name,
        lines.sub_account_id
),

-- services and accounts are the same money twice; every day counts in its own month, and as one of
-- the month before in the next
sides as (
    select
        'service' as kind,
        0 as is_before
    union all
    select
        'service' as kind,
        1 as is_before
    union all
    select
        'account' as kind,
        0 as is_before
    union all
    select
        'account' as kind,
        1 as is_before
),

facts as (
    select
        days.source as source,
        case
            when sides.is_before = 1 then cast(days.month + interval 1 month as date)
            else days.month
        end as month,
        sides.is_before as is_before,
        sides.kind as kind,
        days.provider_name as provider_name,
        case
            when sides.kind = 'service' then coalesce(days.service_name, '(none)')
            else coalesce(days.sub_account_id, '(none)')
        end as id,
        case
            when sides.kind = 'service' then coalesce(days.service_name, '(none)')
            else coalesce(days.sub_account_name, days.sub_account_id, '(none)')
        end as name,
        case when sides.is_before = 0 then days.is_counted else 0 end as is_counted,
        case
            when sides.is_before = 1 then days.is_compared_next
            else days.is_compared
        end as is_compared,
        days.billed as billed,
        days.effective as effective,
        days.unrated as unrated
    from days
    cross join sides
),

placed as (
    select
        facts.*,
        calendar.is_newest as is_newest,
        calendar.is_partial as is_partial,
        calendar.as_of as newest_as_of,
        calendar.month_state as month_state,
        case when calendar.compared_to >= calendar.compared_from then 1 else 0 end as is_comparable
    from facts
    inner join month_sources as calendar
        on facts.source = calendar.source and facts.month = calendar.month
    where calendar.month <= calendar.as_of
),

compared as (
    select
        placed.month as month,
        max(placed.newest_as_of) as newest_as_of,
        max(placed.is_newest) as is_newest,
        max(placed.is_partial) as is_partial,
        max(placed.month_state) as month_state,
        placed.kind as kind,
        placed.provider_name as provider_name,
        placed.id as id,
        max(placed.name) as name,
        max(placed.is_comparable) as is_comparable,
        sum(case when is_counted = 1 then placed.billed end) as billed,
        sum(case when is_counted = 1 then placed.effective end) as effective,
        sum(case when is_counted = 1 and is_compared = 1 then placed.billed end)
            as compared_billed,
        sum(case when is_counted = 1 and is_compared = 1 then placed.effective end)
            as compared_effective,
        sum(case when is_before = 1 and is_compared = 1 then placed.billed end)
            as previous_billed,
        sum(case when is_before = 1 and is_compared = 1 then placed.effective end)
            as previous_effective,
        sum(case when is_counted = 1 then placed.unrated else 0 end) as unrated,
        sum(case when is_before = 1 and is_compared = 1 then placed.unrated else 0 end)
            as previous_unrated
    from placed
    -- neither a day that does not count yet nor one without a counterpart makes a row
    where placed.is_counted = 1 or (placed.is_before = 1 and placed.is_compared = 1)
    group by placed.month, placed.kind, placed.provider_name, placed.id
),

-- NULL where a line has no rate: a sum that is too small helps nobody
known as (
    select
        month,
        newest_as_of,
        is_newest,
        is_partial,
        month_state,
        kind,
        provider_name,
        id,
        name,
        case when unrated = 0 then coalesce(compared.billed, 0) end as billed,
        case when unrated = 0 then coalesce(compared.effective, 0) end as effective,
        case when previous_unrated = 0 then coalesce(compared.previous_billed, 0) end
            as previous_billed,
        case when previous_unrated = 0 then coalesce(compared.previous_effective, 0) end
            as previous_effective,
        case
            when unrated + previous_unrated = 0 and is_comparable = 1
                then
                    coalesce(compared.compared_billed, 0)
                    - coalesce(compared.previous_billed, 0)
        end as change_billed,
        case
            when unrated + previous_unrated = 0 and is_comparable = 1
                then
                    coalesce(compared.compared_effective, 0)
                    - coalesce(compared.previous_effective, 0)
        end as change_effective
    from compared
)

select
    known.month as month,
    '{reporting_currency}' as reporting_currency,
    case
        when known.is_newest = 1 then known.newest_as_of
        else cast(known.month + interval 1 month as date) - 1
    end as as_of,
    known.is_newest as is_newest,
    known.month_state as month_state,
    known.is_partial as is_partial,
    known.kind as kind,
    known.provider_name as provider_name,
    known.id as id,
    known.name as name,
    known.billed as billed,
    known.effective as effective,
    known.previous_billed as previous_billed,
    known.previous_effective as previous_effective,
    known.change_billed as change_billed,
    known.change_effective as change_effective
from known
order by month, kind, provider_name, id
