-- one row per source of cost: its last whole day, and the day that all live sources have reached
-- A day is whole when a delivery of its partition, or of a later one, came settle_hours after its
-- end, and has its usage: fees and plans that are billed ahead are not progress. A newest
-- day that costs less than half of each of the seven before is taken to be still arriving. Usage by
-- the month is whole when the month is. What is more than seven days behind is not waited for.
with by_day as (
    select
        x_source as source,
        cast(x_usage_date as date) as day,
        min(x_partition) as source_partition,
        sum(case when charge_category = 'Usage' and not x_spans_days then x_lines else 0 end)
            as daily_lines,
        sum(case when charge_category = 'Usage' and x_spans_days then x_lines else 0 end)
            as monthly_lines,
        sum(case when charge_category = 'Usage' and not x_spans_days then effective_cost end)
            as amount
    from costs_daily
    where x_usage_date is not null
    group by x_source, cast(x_usage_date as date)
),

delivered as (
    select
        word as source,
        "partition" as source_partition,
        max(coalesce(deliveries.delivered_at, deliveries.published_at)) as delivered_at
    from deliveries
    group by word, "partition"
),

-- a later partition shows that the provider went on
settled as (
    select
        source,
        source_partition,
        delivered_at,
        {settled_day} as settled_day
    from (
        select
            source,
            source_partition,
            max(delivered_at) over (
                partition by source order by source_partition desc
                rows between unbounded preceding and current row
            ) as delivered_at
        from delivered
    ) as newest
),

-- a source without any usage is judged by what it has
days as (
    select
        by_day.source as source,
        by_day.day as day,
        by_day.source_partition as source_partition,
        by_day.monthly_lines as monthly_lines,
        coalesce(by_day.amount, 0) as amount,
        cast(date_trunc('month', by_day.day) as date) as month,
        case
            when
                sum(by_day.daily_lines + by_day.monthly_lines) over (partition by by_day.source) = 0
                then 1
            else by_day.daily_lines
        end as daily_lines,
        min(by_day.day) over (partition by by_day.source) as first_day,
        max(by_day.day) over (partition by by_day.source) as newest_day
    from by_day
),

-- of a partition without a delivery the time is not known
timed as (
    select
        days.source as source,
        days.day as day,
        days.month as month,
        days.first_day as first_day,
        days.newest_day as newest_day,
        days.daily_lines as daily_lines,
        days.monthly_lines as monthly_lines,
        days.amount as amount,
        case when settled.source = days.source then settled.delivered_at end as delivered_at,
        case when settled.source = days.source then settled.settled_day end as settled_day
    from days
    left join settled
        on days.source = settled.source and days.source_partition = settled.source_partition
),

-- bills that are all of days to come, as in a test, are judged by their usage alone
judged as (
    select
        timed.source as source,
        timed.day as day,
        timed.month as month,
        timed.newest_day as newest_day,
        timed.daily_lines as daily_lines,
        timed.monthly_lines as monthly_lines,
        timed.amount as amount,
        timed.delivered_at as delivered_at,
        case
            when timed.settled_day is null or timed.first_day > timed.settled_day + 1
                then timed.newest_day
            else timed.settled_day
        end as settled_day
    from timed
),

progress as (
    select
        *,
        case when daily_lines > 0 and day <= settled_day then 1 else 0 end as is_settled,
        max(case when day <= settled_day + 1 and daily_lines + monthly_lines > 0 then month end)
            over (partition by source) as newest_month
    from judged
),

-- each settled day of usage beside those before it
weeks as (
    select
        *,
        max(day) over (partition by source, is_settled) as last_day,
        min(amount) over (
            partition by source, is_settled order by day rows between 7 preceding and 1 preceding
        ) as least_before,
        count(*) over (
            partition by source, is_settled order by day rows between 7 preceding and 1 preceding
        ) as days_before
    from progress
),

parts as (
    select
        weeks.source as source,
        weeks.newest_day as newest_day,
        weeks.delivered_at as delivered_at,
        case
            when weeks.month = weeks.newest_month and weeks.day <= weeks.settled_day + 1
                then weeks.daily_lines
            else 0
        end as daily_lines,
        case
            when weeks.month = weeks.newest_month and weeks.day <= weeks.settled_day + 1
                then weeks.monthly_lines
            else 0
        end as monthly_lines,
        case
            when weeks.monthly_lines = 0 then null
            when cast(weeks.month + interval 1 month as date) - 1 <= weeks.settled_day
                then cast(weeks.month + interval 1 month as date) - 1
            when weeks.month = weeks.newest_month then weeks.month - 1
        end as monthly_through,
        case
            when weeks.is_settled = 0 then null
            when
                weeks.day < weeks.last_day
                or weeks.days_before < 7
                or weeks.least_before <= 0
                or weeks.amount >= weeks.least_before / 2
                then weeks.day
        end as daily_through
    from weeks
),

sources as (
    select
        source,
        max(parts.newest_day) as newest_day,
        max(parts.delivered_at) as delivered_at,
        case when sum(parts.daily_lines) = 0 and sum(parts.monthly_lines) > 0 then 1 else 0 end
            as is_monthly,
        case
            when sum(parts.daily_lines) = 0 and sum(parts.monthly_lines) > 0
                then max(parts.monthly_through)
            else max(parts.daily_through)
        end as complete_through
    from parts
    group by source
),

fronts as (
    select
        *,
        coalesce(
            max(case when is_monthly = 0 then complete_through end) over (),
            max(complete_through) over ()
        ) as front,
        max(case when is_monthly = 0 and complete_through is not null then 1 else 0 end) over ()
            as has_daily
    from sources
),

states as (
    select
        *,
        case
            when complete_through is null then 'no whole day'
            when is_monthly = 1 and has_daily = 1 then 'monthly'
            when complete_through < front - 7 then 'stopped'
            else 'live'
        end as state
    from fronts
)

select
    source,
    state,
    complete_through,
    coalesce(
        min(case when state = 'live' then complete_through end) over (),
        max(newest_day) over ()
    ) as as_of,
    newest_day,
    delivered_at
from states
order by source
