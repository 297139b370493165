-- one row per currency without a rate, to USD or to the reporting currency, on some day of its cost
-- The provider's own rate serves its conversion to USD alone; any other rate is that of fx_rates.
with targets as (
    select
        'USD' as target,
        1 as is_dollar
    union all
    select
        '{reporting_currency}' as target,
        0 as is_dollar
),

unrated as (
    select
        costs.x_source as x_source,
        costs.x_partition as x_partition,
        costs.billing_currency as currency,
        targets.target as target,
        coalesce(
            costs.x_usage_date,
            cast(
                coalesce(
                    costs.billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                ) as date
            )
        ) as day,
        count(*) as line_items,
        sum(costs.billed_cost) as billed
    from costs
    cross join targets
    where costs.billing_currency is not null
        and costs.billing_currency <> targets.target
        and (targets.is_dollar = 0 or costs.x_currency_rate_usd is null)
        and (targets.is_dollar = 1 or targets.target <> 'USD')
    group by costs.x_source, costs.x_partition, costs.billing_currency, targets.target, day
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
        on own.target = rates.currency and own.day >= rates.rate_date
),

-- a line without either rate counts once
missing as (
    select
        x_source,
        x_partition,
        currency,
        target,
        sum(line_items) as line_items,
        sum(billed) as billed
    from crossed
    where case
        when own_units > 0 and their_units > 0 and own_date >= day - 7 and their_date >= day - 7
            then 0
        else 1
    end = 1
    group by x_source, x_partition, currency, target
)

select
    x_source,
    x_partition,
    currency as billing_currency,
    max(line_items) as line_items,
    max(billed) as billed
from missing
group by x_source, x_partition, currency
order by x_source, x_partition, billing_currency
