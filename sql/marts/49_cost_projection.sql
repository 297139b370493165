-- one row: what the days that are left of the newest month will cost, with a low and a high value
-- From the last eight weeks of whole days of live sources: the level of the last week, the trend of
-- the last four where all of them agree on its direction, and the pattern of the week. A single day
-- that costs 50 % more than its weekday usually does is charged once. Monthly charges are added
-- apart: those that the month before had on later days, or that are dated ahead.
-- a chain without a branch: ClickHouse would run each part of it again for every use
with measures as (
    select 'billed' as measure
    union all
    select 'effective' as measure
),

digits as (
    select 0 as digit
    union all
    select 1 as digit
    union all
    select 2 as digit
    union all
    select 3 as digit
    union all
    select 4 as digit
    union all
    select 5 as digit
    union all
    select 6 as digit
    union all
    select 7 as digit
),

-- n days before as_of; a day without lines cost nothing
paced as (
    select
        measures.measure as measure,
        cast(date_diff('day', days.day, states.as_of) as integer) as n,
        states.as_of as as_of,
        case when states.state = 'live' then 1 else 0 end as is_live,
        case
            when measures.measure = 'billed' then days.daily_billed else days.daily_effective
        end as daily,
        case
            when measures.measure = 'billed' then days.monthly_billed
            else days.monthly_effective
        end as monthly
    from cost_days as days
    inner join complete_through as states on days.source = states.source
    cross join measures
    where days.day >= states.as_of - 61
    union all
    select
        measures.measure as measure,
        cast(8 * tens.digit + ones.digit as integer) as n,
        null as as_of,
        0 as is_live,
        cast(0 as double) as daily,
        cast(0 as double) as monthly
    from measures
    cross join digits as tens
    cross join digits as ones
    where 8 * tens.digit + ones.digit < 56
),

dated as (
    select
        *,
        max(paced.as_of) over () as newest_day,
        max(case when paced.is_live = 1 and paced.n < 56 then paced.n end)
            over (partition by paced.measure) + 1 as history
    from paced
),

monthly as (
    select
        *,
        cast(date_trunc('month', newest_day) as date) as month_start,
        extract(day from newest_day) as elapsed,
        cast(date_trunc('month', newest_day) + interval 1 month as date) - 1 as last_day
    from dated
    where newest_day is not null
),

fees as (
    select
        *,
        date_diff('day', newest_day, last_day) as days_left,
        sum(
            case
                when
                    is_live = 1
                    and newest_day - n < month_start
                    and newest_day - n >= cast(month_start - interval 1 month as date)
                    and extract(day from newest_day - n) > elapsed
                    then monthly
                else 0
            end
        ) over (partition by measure) as fees_before,
        sum(case when n < 0 and newest_day - n <= last_day then monthly else 0 end)
            over (partition by measure) as fees_ahead
    from monthly
),

-- k: the day of the week, by how many days it was before as_of
daily as (
    select
        measure,
        n,
        n - 7 * cast(floor(n / 7) as integer) as k,
        max(fees.newest_day) as newest_day,
        max(fees.history) as history,
        max(fees.days_left) as days_left,
        max(fees.fees_before) as fees_before,
        max(fees.fees_ahead) as fees_ahead,
        sum(case when is_live = 1 then coalesce(fees.daily, 0) else 0 end) as amount
    from fees
    where fees.n >= 0 and fees.n < 56 and fees.n < fees.history
    group by measure, n
),

usual as (
    select
        *,
        count(*) over (partition by measure, k) as weeks,
        median(amount) over (partition by measure, k) as middle
    from daily
),

compared as (
    select
        *,
        case when middle > 0 then amount / middle else 1 end as ratio
    from usual
),

neighbours as (
    select
        *,
        coalesce(
            max(ratio) over (
                partition by measure order by n rows between 1 preceding and 1 preceding
            ),
            0
        ) as ratio_after,
        coalesce(
            max(ratio) over (
                partition by measure order by n rows between 1 following and 1 following
            ),
            0
        ) as ratio_before
    from compared
),

cleaned as (
    select
        *,
        case
            when weeks >= 3 and ratio > 1.5 and ratio_after <= 1.25 and ratio_before <= 1.25
                then middle
            else amount
        end as cost
    from neighbours
),

weekly as (
    select
        *,
        avg(cost) over (
            partition by measure order by n rows between 3 preceding and 3 following
        ) as around
    from cleaned
),

shapes as (
    select
        *,
        coalesce(
            median(
                case
                    when n >= 3 and n <= history - 4 and history >= 21 and around > 0
                        then cost / around
                end
            ) over (partition by measure, k),
            1
        ) as factor
    from weekly
),

even as (
    select
        *,
        case when factor > 0.05 then cost / factor else cost end as flat
    from shapes
),

levels as (
    select
        *,
        avg(case when n < 7 then flat end) over (partition by measure) as level_week,
        median(case when n < 5 then flat end) over (partition by measure) as level_now,
        avg(case when n < 7 then cost end) over (partition by measure) as week_1,
        avg(case when n >= 7 and n < 14 then cost end) over (partition by measure) as week_2,
        avg(case when n >= 14 and n < 21 then cost end) over (partition by measure) as week_3,
        avg(case when n >= 21 and n < 28 then cost end) over (partition by measure) as week_4
    from even
),

-- after a step of the level the last days count, not the week
trends as (
    select
        *,
        case
            when abs(level_now - level_week) > 0.06 * abs(level_week) then 0
            when history < 28 then 0
            when
                (week_1 > week_2 and week_2 > week_3 and week_3 > week_4)
                or (week_1 < week_2 and week_2 < week_3 and week_3 < week_4)
                then
                    (week_1 - week_4) / 21
                    * least(
                        1,
                        4.5
                        * least(abs(week_1 - week_2), abs(week_2 - week_3), abs(week_3 - week_4))
                        / abs(week_1 - week_4)
                    )
            else 0
        end as slope,
        case when abs(level_now - level_week) > 0.06 * abs(level_week) then 1 else 0 end
            as has_moved
    from levels
),

lines_of as (
    select
        *,
        case when has_moved = 1 then level_now else level_week + 3 * slope end as level
    from trends
),

noises as (
    select
        *,
        avg(case when n < 14 then abs(flat - level + slope * n) end) over (partition by measure)
            as noise
    from lines_of
),

-- the days after as_of: of each weekday one in every week to come
ahead as (
    select
        noises.*,
        7 * digits.digit + 7 - k as n_ahead,
        greatest(0, level + slope * (7 * digits.digit + 7 - k)) * factor as cost_then
    from noises
    cross join digits
    where n < 7 and 7 * digits.digit + 7 - k <= 31
        and (7 * digits.digit + 7 - k <= days_left or digits.digit = 0)
),

totals as (
    select
        measure,
        max(ahead.newest_day) as as_of,
        max(ahead.level) as run_rate,
        max(ahead.noise) as noise,
        max(coalesce(abs(ahead.week_1 - ahead.week_2), 0)) as weekly_change,
        max(ahead.history) as history,
        max(ahead.days_left) as days_left,
        sum(
            case when ahead.n_ahead <= ahead.days_left then ahead.cost_then else 0 end
        ) as daily,
        max(
            case
                when ahead.days_left = 0 then 0
                else greatest(ahead.fees_before, ahead.fees_ahead)
            end
        ) as fees
    from ahead
    group by measure
),

-- what the noise of the days, a level that may move and a short history leave open
ranged as (
    select
        *,
        case
            when days_left = 0 then 0
            else
                abs(daily) * (0.02 + 0.002 * days_left)
                + noise * sqrt(days_left) * (0.8 + 0.1 * sqrt(days_left))
                + 0.5 * weekly_change / 7 * days_left * (days_left + 1) / 2
                + case when history < 14 then abs(daily) * 0.1 else 0 end
        end as margin
    from totals
)

select
    cast(date_trunc('month', max(ranged.as_of)) as date) as month,
    max(ranged.as_of) as as_of,
    max(case when measure = 'billed' then run_rate end) as run_rate_billed,
    max(case when measure = 'billed' then daily + fees end) as to_come_billed,
    max(case when measure = 'billed' then daily + fees - margin end) as low_billed,
    max(case when measure = 'billed' then daily + fees + margin end) as high_billed,
    max(case when measure = 'effective' then run_rate end) as run_rate_effective,
    max(case when measure = 'effective' then daily + fees end) as to_come_effective,
    max(case when measure = 'effective' then daily + fees - margin end) as low_effective,
    max(case when measure = 'effective' then daily + fees + margin end) as high_effective
from ranged
having count(*) > 0
