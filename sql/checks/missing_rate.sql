-- one row per currency without a rate to USD: its cost in USD is not published
select
    x_source,
    x_partition,
    billing_currency,
    count(*) as line_items,
    sum(billed_cost) as billed
from costs
where billing_currency is not null and x_currency_rate_usd is null
group by x_source, x_partition, billing_currency
order by x_source, x_partition, billing_currency
