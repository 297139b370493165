-- one row per unusual change of a service's, an account's or a tag value's usage, in 13 weeks
-- A day is compared with the median of the same weekday in the six weeks before, moved by growth of
-- at most 5 %. It is unusual when it differs by 20 % and by four times the usual difference (the
-- median of the 42 days before), and is worth 20 units of the reporting currency. Days in a row,
-- with gaps of a week at most, are one change, so a new level is one row, until the median is at
-- the new level. Charges that are not by usage (by charge_frequency), or for more than a day, are
-- left out; usage of the first three days of a month may differ by as much as in the months before.
-- Whole days are judged, those of complete_through, and of these none with an unknown cost.
with newest as (
    select max(complete_through) as day
    from complete_through
),

lines as (
    select
        x_source as source,
        x_usage_date as day,
        coalesce(service_name, '(none)') as service,
        coalesce(sub_account_id, '(none)') as account,
        max(each.sub_account_name) as account_name,
        {tag_column},
        sum(each.effective_cost / each.reporting_rate) as amount,
        sum(
            case
                when each.reporting_rate is null then each.x_lines
                else each.x_lines_without_effective_cost
            end
        ) as unknown
    from {in_reporting:costs_daily} as each
    where x_usage_date >= (select newest.day - 190 from newest)
        and charge_category = 'Usage'
        and coalesce(charge_frequency, 'Usage-Based') = 'Usage-Based'
        and coalesce(x_line_item_type, '') not like '%Discount'
        and not x_spans_days
    group by
        {tag_column},
        x_source,
        x_usage_date,
        coalesce(service_name, '(none)'),
        coalesce(sub_account_id, '(none)')
),

dimensions as (
    select 'service' as dimension
    union all
    select '{tag_column}' as dimension union all -- noqa: LT11
    select 'account' as dimension
),

-- 13 weeks, and the 12 weeks that their first day is compared with
recent as (
    select
        days.source as source,
        days.day as day,
        states.complete_through + 1 as newest_day
    from (
        select source, day
        from lines
        group by source, day
    ) as days
    inner join complete_through as states on days.source = states.source
    where days.day <= states.complete_through and days.day > states.complete_through - 176
),

facts as (
    select
        source,
        day,
        dimension,
        case dimension
            when '{tag_column}' then coalesce({tag_column}, '(none)')
            when 'account' then account
            else service
        end as value,
        max(case when dimension = 'account' then account_name end) as account_name,
        sum(lines.amount) as amount,
        sum(lines.unknown) as unknown
    from lines
    cross join dimensions
    group by
        source,
        day,
        dimension,
        case dimension
            when '{tag_column}' then coalesce({tag_column}, '(none)')
            when 'account' then account
            else service
        end
),

series as (
    select
        source,
        dimension,
        value,
        max(facts.account_name) as account_name
    from facts
    group by source, dimension, value
    having max(facts.amount) >= 20
),

-- a day without lines of a series costs 0 where its source has any
daily as (
    select
        source,
        dimension,
        value,
        day,
        date_diff('day', cast('2001-01-01' as date), day) % 7 as weekday,
        extract(day from day) as day_of_month,
        max(filled.newest_day) as newest_day,
        max(filled.account_name) as account_name,
        case when sum(filled.unknown) = 0 then sum(filled.amount) end as amount
    from (
        select
            series.source as source,
            series.dimension as dimension,
            series.value as value,
            recent.day as day,
            recent.newest_day as newest_day,
            series.account_name as account_name,
            cast(0 as double) as amount,
            0 as unknown
        from series
        inner join recent on series.source = recent.source
        union all
        select
            source,
            dimension,
            value,
            day,
            null as newest_day,
            null as account_name,
            coalesce(amount, 0) as amount,
            unknown
        from facts
    ) as filled
    group by source, dimension, value, day
    having max(filled.newest_day) is not null
),

compared as (
    select
        *,
        count(amount) over weeks as weeks,
        median(amount) over weeks as usual
    from daily
    window weeks as (
        partition by source, dimension, value, weekday order by day
        rows between 6 preceding and 1 preceding
    )
),

differing as (
    select
        *,
        case when weeks >= 3 then amount - usual end as difference,
        case when weeks >= 3 and usual > 0 then amount / usual - 1 end as share
    from compared
),

-- the usual difference, and that of this day of the month, which may have a fee
scaled as (
    select
        *,
        count(difference) over before as days_before,
        1.4826 * median(abs(difference)) over before as spread,
        1.4826 * median(abs(share)) over before as share_spread,
        least(0.05, greatest(-0.05, coalesce(median(share) over before, 0))) as growth,
        count(difference) over months as months_before,
        median(difference) over months as fee
    from differing
    window
        before as (
            partition by source, dimension, value order by day
            rows between 42 preceding and 1 preceding
        ),
        months as (
            partition by source, dimension, value, day_of_month order by day
            rows between 3 preceding and 1 preceding
        )
),

judged as (
    select
        *,
        usual * (1 + growth) + case
            when
                day_of_month <= 3 and months_before > 0
                and abs(difference - fee) < abs(difference)
                then fee
            else 0
        end as expected
    from scaled
    where difference is not null and days_before >= 14 and day > newest_day - 99
),

unusual as (
    select
        source,
        dimension,
        value,
        day,
        newest_day,
        account_name,
        expected,
        amount as actual,
        case when amount > expected then 'rise' else 'drop' end as direction
    from judged
    where abs(amount - expected) >= 0.2 * abs(expected)
        and abs(amount - expected)
        >= 4 * greatest(spread, coalesce(share_spread, 0) * abs(expected))
        and greatest(amount, expected) >= 20
        and amount <> expected
),

begun as (
    select
        *,
        case
            when
                date_diff(
                    'day',
                    coalesce(
                        max(day) over (
                            partition by source, dimension, value, direction order by day
                            rows between 1 preceding and 1 preceding
                        ),
                        cast('1970-01-01' as date)
                    ),
                    day
                ) > 8
                then 1
            else 0
        end as is_first
    from unusual
),

numbered as (
    select
        *,
        sum(is_first) over (
            partition by source, dimension, value, direction order by day
            rows between unbounded preceding and current row
        ) as change_number
    from begun
),

changes as (
    select
        source,
        dimension,
        value,
        direction,
        change_number,
        min(numbered.day) as first_day,
        max(numbered.day) as last_day,
        max(numbered.newest_day) as newest_day,
        max(numbered.account_name) as account_name,
        count(*) as days,
        sum(numbered.expected) as expected,
        sum(numbered.actual) as actual
    from numbered
    group by source, dimension, value, direction, change_number
)

select
    first_day,
    last_day,
    days,
    case when last_day = newest_day - 1 then 1 else 0 end as is_ongoing,
    source,
    dimension,
    value,
    coalesce(account_name, value) as name,
    direction,
    '{reporting_currency}' as reporting_currency,
    expected,
    actual,
    actual - expected as impact
from changes
where first_day > newest_day - 92
order by first_day, source, dimension, value, direction
