-- one row per day (UTC) with activity and product: revenue, cost and what is left
-- sql/products.csv assigns rows to products; all others are unassigned. NULL as in margin_daily.
with earned as (
    select
        activity_date as day,
        {product:revenue} as product,
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
        product,
        gross,
        net,
        cast(0 as double) as billed,
        cast(0 as double) as effective
    from earned
    union all
    select
        cost.day as day,
        cost.product as product,
        cast(0 as double) as gross,
        cast(0 as double) as net,
        cost.billed as billed,
        cost.effective as effective
    from {reported_cost:costs_daily} as cost
),

by_product as (
    select
        day,
        product,
        case when count(*) = count(gross) then sum(gross) end as revenue_gross,
        case when count(*) = count(net) then sum(net) end as revenue_net,
        case when count(*) = count(billed) then sum(billed) end as cost_billed,
        case when count(*) = count(effective) then sum(effective) end as cost_effective
    from parts
    group by day, product
)

select
    day as "date",
    product,
    '{reporting_currency}' as reporting_currency,
    revenue_gross,
    revenue_net,
    cost_billed,
    cost_effective,
    revenue_net - cost_effective as margin,
    (revenue_net - cost_effective) / nullif(revenue_gross, 0) as margin_ratio
from by_product
