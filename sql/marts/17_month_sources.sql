-- one row per month of use and source with cost in it: which of its days count, and are compared
-- In the newest month, that of the day which all live sources have reached, days up to it count
-- that are whole in their source; in the months before all days do. Compared with the month before
-- are days of the same number that both months have; of two months that are over, all days.
with present as (
    select
        x_source as source,
        cast(date_trunc('month', x_usage_date) as date) as month
    from costs_daily
    where x_usage_date is not null
    group by x_source, cast(date_trunc('month', x_usage_date) as date)
),

-- days at the beginning of a month that were never read
cut as (
    select
        source,
        month,
        max(days_before) as days_before
    from (
        select source, month, 0 as days_before from present
        union all
        select source, month, days_before from partial_months
    ) as parts
    group by source, month
),

ordered as (
    select
        source,
        month,
        days_before,
        max(month) over (
            partition by source order by month rows between 1 preceding and 1 preceding
        ) as month_before,
        max(days_before) over (
            partition by source order by month rows between 1 preceding and 1 preceding
        ) as cut_before
    from cut
),

reached as (
    select
        ordered.source as source,
        ordered.month as month,
        ordered.days_before as days_before,
        cast(ordered.month + interval 1 month as date) - 1 as last_date,
        case
            when ordered.month_before = cast(ordered.month - interval 1 month as date)
                then coalesce(ordered.cut_before, 0)
        end as cut_before,
        states.state as state,
        states.as_of as as_of,
        cast(date_trunc('month', states.as_of) as date) as newest_month,
        case
            when states.complete_through is null then cast('1970-01-01' as date)
            when states.complete_through < states.as_of then states.complete_through
            else states.as_of
        end as source_as_of
    from ordered
    inner join complete_through as states on ordered.source = states.source
),

counted as (
    select
        *,
        case when month = newest_month then 1 else 0 end as is_newest,
        case
            when month < newest_month then last_date
            when month = newest_month then source_as_of
            else cast('1970-01-01' as date)
        end as counted_through,
        -- what a source that stopped has of its last month, and all have of the newest
        case when source_as_of < last_date then source_as_of else last_date end as compared_through
    from reached
)

select
    month,
    source,
    state,
    is_newest,
    as_of,
    source_as_of,
    counted_through,
    max(case when days_before > 0 then 1 else 0 end) over (partition by month) as is_partial,
    case
        when
            max(
                case
                    when days_before > 0 then 1
                    when
                        state = 'stopped' and source_as_of >= month and source_as_of < last_date
                        then 1
                    else 0
                end
            ) over (partition by month) = 1
            then 'partial'
        when month = newest_month and as_of < last_date then 'open'
        when month > newest_month then 'begun'
        else 'whole'
    end as month_state,
    coalesce(case when days_before > cut_before then days_before else cut_before end, 0) + 1
        as compared_from,
    case
        when cut_before is null or compared_through < month then 0
        when compared_through = last_date then 31
        else extract(day from compared_through)
    end as compared_to
from counted
order by month, source
