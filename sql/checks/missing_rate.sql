-- one row per currency without a rate to USD, on the row or in fx_rates: its cost has no margin
with unrated as (
    select
        x_source,
        x_partition,
        billing_currency as currency,
        'USD' as dollar,
        coalesce(
            x_usage_date,
            cast(
                coalesce(billing_period_start, cast('1970-01-01 00:00:00' as timestamp)) as date
            )
        ) as day,
        count(*) as line_items,
        sum(billed_cost) as billed
    from costs
    where billing_currency is not null and x_currency_rate_usd is null
    group by x_source, x_partition, billing_currency, day
),

own as (
    select
        unrated.*,
        rates.units_per_eur as own_units,
        rates.rate_date as own_date
    from unrated
    asof left join fx_rates as rates
        on unrated.currency = rates.currency and unrated.day >= rates.rate_date
),

crossed as (
    select
        own.*,
        rates.units_per_eur as their_units,
        rates.rate_date as their_date
    from own
    asof left join fx_rates as rates
        on own.dollar = rates.currency and own.day >= rates.rate_date
)

select
    x_source,
    x_partition,
    currency as billing_currency,
    sum(line_items) as line_items,
    sum(billed) as billed
from crossed
where case
    when own_units > 0 and their_units > 0 and own_date >= day - 7 and their_date >= day - 7
        then 0
    else 1
end = 1
group by x_source, x_partition, currency
order by x_source, x_partition, billing_currency
