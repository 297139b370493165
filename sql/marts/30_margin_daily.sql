-- one row per day between the first and the last activity: revenue, cost and what is left
-- Days without revenue or cost are rows of zeros. Where any part of a day has no rate, or no cost,
-- that figure is NULL and not a partial sum. Where no revenue was ever loaded, revenue and margin
-- are not known: NULL. Revenue is never unioned into cost.
-- which figures a row of the ledger, and a sum of cost, are part of: each is read once
with sides as (
    select 'gross' as side
    union all
    select 'fee' as side
),

earned as (
    select
        activity_date as day,
        case
            when side = 'fee' or class = 'fee' then 'fee'
            else class
        end as figure,
        -- what Stripe keeps of a transaction, and transactions that are a fee
        case
            when side = 'fee' then fee_reporting * cast(1 as double)
            when class = 'fee' then gross_reporting * cast(-1 as double)
            else gross_reporting * cast(1 as double)
        end as amount
    from revenue
    cross join sides
    where (side = 'fee' and class <> 'unclassified')
        or (side = 'gross' and class in ('revenue', 'contra', 'dispute', 'tax', 'fee'))
),

parts as (
    select 'billed' as part, '' as joint
    union all
    select 'billed' as part, '_' as joint
    union all
    select 'effective' as part, '' as joint
    union all
    select 'effective' as part, '_' as joint
),

spent as (
    select
        cost.day as day,
        concat(part, joint, case when joint = '_' then cost.source else '' end) as figure,
        case when part = 'billed' then cost.billed else cost.effective end as amount
    from {reported_cost:costs_daily} as cost
    cross join parts
),

-- one row per figure and part of it; NULL where it is not known
figures as (
    select day, figure, amount from earned
    union all
    select day, figure, amount from spent
),

digits as (
    select 0 as n
    union all
    select 1 as n
    union all
    select 2 as n
    union all
    select 3 as n
    union all
    select 4 as n
    union all
    select 5 as n
    union all
    select 6 as n
    union all
    select 7 as n
    union all
    select 8 as n
    union all
    select 9 as n
),

-- 20,000 days from 2000 on: of them those between the first and the last with a figure count
calendar as (
    select
        cast('2000-01-01' as date) + cast(
            a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n as integer
        ) as day
    from digits as a
    cross join digits as b
    cross join digits as c
    cross join digits as d
    cross join digits as e
    where e.n < 2
),

every_day as (
    select day, figure, amount from figures
    union all
    select day, 'day' as figure, cast(0 as double) as amount from calendar
),

bounded as (
    select
        day,
        figure,
        amount,
        min(case when figure <> 'day' then day end) over () as first_day,
        max(case when figure <> 'day' then day end) over () as last_day
    from every_day
),

by_day as (
    select
        day,
        case when (select count(*) from revenue) > 0 then {whole:revenue} end as revenue_gross,
        case when (select count(*) from revenue) > 0 then {whole:contra} end as revenue_contra,
        case when (select count(*) from revenue) > 0 then {whole:dispute} end as disputes,
        case when (select count(*) from revenue) > 0 then {whole:fee} end as fees,
        case when (select count(*) from revenue) > 0 then -{whole:tax} end as taxes,
        {whole:billed} as cost_billed,
        {whole:effective} as cost_effective,
        {whole:billed_aws} as cost_billed_aws,
        {whole:effective_aws} as cost_effective_aws,
        {whole:billed_gcp} as cost_billed_gcp,
        {whole:effective_gcp} as cost_effective_gcp
    from bounded
    where day between first_day and last_day
    group by day
),

netted as (
    select
        *,
        revenue_gross + revenue_contra + disputes - fees - taxes as revenue_net
    from by_day
)

select
    day as "date",
    '{reporting_currency}' as reporting_currency,
    revenue_gross,
    revenue_contra,
    disputes,
    fees,
    taxes + 0.0 as taxes,
    revenue_net,
    cost_billed,
    cost_effective,
    cost_billed_aws,
    cost_effective_aws,
    cost_billed_gcp,
    cost_effective_gcp,
    -- commitments spread over their use: a purchase does not make a day's margin
    revenue_net - cost_effective as margin,
    (revenue_net - cost_effective) / nullif(revenue_gross, 0) as margin_ratio,
    cost_effective / nullif(revenue_gross, 0) as cost_per_revenue
from netted
