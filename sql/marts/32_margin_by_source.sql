-- one row per day (UTC) with activity and source: its revenue, or its cost
-- margin_daily by source: another cloud is more rows, not more columns. NULL as in margin_daily.
with earned as (
    select
        activity_date as day,
        x_source as source,
        case when class = 'revenue' then gross_reporting else 0 end * cast(1 as double) as gross,
        (
            case
                when class in ('revenue', 'contra', 'dispute', 'tax', 'fee') then gross_reporting
                else 0
            end
            - fee_reporting
        ) * cast(1 as double) as net
    from revenue
    where class <> 'unclassified'
),

parts as (
    select
        day,
        source,
        gross,
        net,
        cast(0 as double) as billed,
        cast(0 as double) as effective
    from earned
    union all
    select
        day,
        source,
        cast(0 as double) as gross,
        cast(0 as double) as net,
        billed,
        effective
    from {reported_cost:costs_daily}
),

by_source as (
    select
        day,
        source,
        case when count(*) = count(gross) then sum(gross) end as revenue_gross,
        case when count(*) = count(net) then sum(net) end as revenue_net,
        case when count(*) = count(billed) then sum(billed) end as cost_billed,
        case when count(*) = count(effective) then sum(effective) end as cost_effective
    from parts
    group by day, source
)

select
    day as "date",
    source,
    '{reporting_currency}' as reporting_currency,
    revenue_gross,
    revenue_net,
    cost_billed,
    cost_effective,
    revenue_net - cost_effective as margin
from by_source
