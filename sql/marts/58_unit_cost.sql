-- one row per day and unit of sql/units.csv: what one costs, beside the cost of one unit of revenue
-- Several lines of a day and unit add up. Cost and revenue of a day are 0 between the first and the
-- last day that has any, and NULL outside, or when a part is not known.
with counted as (
    select
        rows_of.day as day,
        rows_of.unit as unit,
        sum(rows_of.quantity) as quantity
    from {values:units} as rows_of
    group by rows_of.day, rows_of.unit
),

spent as (
    select
        day,
        count(*) - count(effective) as unknown,
        sum(effective) as amount
    from {reported_cost:costs_daily}
    group by day
),

earned as (
    select
        activity_date as day,
        count(*) - count(gross_reporting) as unknown,
        sum(gross_reporting * cast(1 as double)) as amount
    from revenue
    where class = 'revenue'
    group by activity_date
),

span_of_cost as (
    select min(day) as first_day, max(day) as last_day
    from spent
),

span_of_revenue as (
    select min(day) as first_day, max(day) as last_day
    from earned
),

facts as (
    select day, unit, 'quantity' as figure, quantity as amount, 0 as unknown
    from counted
    union all
    select counted.day as day, counted.unit as unit, 'cost' as figure, spent.amount as amount,
        spent.unknown as unknown
    from counted
    inner join spent on counted.day = spent.day
    union all
    select counted.day as day, counted.unit as unit, 'revenue' as figure,
        earned.amount as amount, earned.unknown as unknown
    from counted
    inner join earned on counted.day = earned.day
    union all
    select counted.day as day, counted.unit as unit, 'cost' as figure, 0 as amount, 0 as unknown
    from counted
    cross join span_of_cost as span
    where counted.day >= span.first_day and counted.day <= span.last_day
    union all
    select counted.day as day, counted.unit as unit, 'revenue' as figure, 0 as amount, 0 as unknown
    from counted
    cross join span_of_revenue as span
    where counted.day >= span.first_day and counted.day <= span.last_day
),

days as (
    select
        day,
        unit,
        sum(case when figure = 'quantity' then amount end) as quantity,
        case
            when sum(case when figure = 'cost' then unknown else 0 end) = 0
                then sum(case when figure = 'cost' then amount end)
        end as cost,
        case
            when sum(case when figure = 'revenue' then unknown else 0 end) = 0
                then sum(case when figure = 'revenue' then amount end)
        end as revenue
    from facts
    group by day, unit
)

select
    day as "date",
    unit,
    quantity,
    '{reporting_currency}' as reporting_currency,
    cost,
    revenue,
    cost / nullif(quantity, 0) as cost_per_unit,
    cost / nullif(revenue, 0) as cost_per_revenue
from days
order by "date", unit
