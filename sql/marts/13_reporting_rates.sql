-- one row per day and currency of cost: units of it for one unit of the reporting currency
-- By fx_rates of the day or the last business day before it, crossed through the euro, at most
-- seven days old. The macro reported_lines converts by it.
with priced as (
    select distinct
        billing_currency as currency,
        '{reporting_currency}' as reporting_currency,
        coalesce(
            x_usage_date,
            cast(
                coalesce(billing_period_start, cast('1970-01-01 00:00:00' as timestamp)) as date
            )
        ) as day
    from costs_daily
    where billing_currency is not null and billing_currency <> '{reporting_currency}'
),

own as (
    select
        priced.*,
        rates.units_per_eur as own_units,
        rates.rate_date as own_date
    from priced
    asof left join fx_rates as rates
        on priced.currency = rates.currency and priced.day >= rates.rate_date
),

crossed as (
    select
        own.*,
        rates.units_per_eur as their_units,
        rates.rate_date as their_date
    from own
    asof left join fx_rates as rates
        on own.reporting_currency = rates.currency and own.day >= rates.rate_date
)

select
    day as rate_date,
    currency,
    reporting_currency,
    cast(own_units as double) / nullif(cast(their_units as double), 0) as units_per_reporting
from crossed
where own_units > 0 and their_units > 0 and own_date >= day - 7 and their_date >= day - 7
