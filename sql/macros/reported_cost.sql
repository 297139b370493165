-- cost in the reporting currency by day (UTC), source and product: NULL where any part of it has no
-- cost, or no rate. Money in the reporting currency stays as it is; in USD a provider's own rate
-- counts, which serves nothing else; all else is converted by fx_rates.
(
    with amounts as (
        select
            coalesce(
                x_usage_date,
                cast(
                    coalesce(billing_period_start, cast('1970-01-01 00:00:00' as timestamp)) as date
                )
            ) as day,
            x_source,
            {product:cost} as product,
            '{reporting_currency}' as reporting_currency,
            case
                when billing_currency = '{reporting_currency}' then billing_currency
                when '{reporting_currency}' = 'USD' and x_currency_rate_usd is not null then 'USD'
                else coalesce(billing_currency, '')
            end as currency,
            case
                when billing_currency <> '{reporting_currency}'
                    and '{reporting_currency}' = 'USD' and x_currency_rate_usd is not null
                    then nullif(x_currency_rate_usd, 0)
                else 1
            end as own_rate,
            billed_cost,
            effective_cost,
            x_lines_without_billed_cost,
            x_lines_without_effective_cost
        from {argument}
    ),

    summed as (
        select
            day,
            x_source,
            product,
            reporting_currency,
            currency,
            case
                when sum(x_lines_without_billed_cost) = 0 then sum(billed_cost / own_rate)
            end as billed,
            case
                when sum(x_lines_without_effective_cost) = 0 then sum(effective_cost / own_rate)
            end as effective
        from amounts
        where day > cast('1971-01-01' as date)
        group by day, x_source, product, reporting_currency, currency
    ),

    -- both legs of the cross rate, as in revenue
    own as (
        select
            summed.*,
            rates.units_per_eur as own_units,
            rates.rate_date as own_date
        from summed
        asof left join fx_rates as rates
            on summed.currency = rates.currency and summed.day >= rates.rate_date
    ),

    crossed as (
        select
            own.*,
            rates.units_per_eur as their_units,
            rates.rate_date as their_date
        from own
        asof left join fx_rates as rates
            on own.reporting_currency = rates.currency and own.day >= rates.rate_date
    ),

    cost as (
        select
            day,
            x_source,
            product,
            billed,
            effective,
            case
                when currency = reporting_currency then 1.0
                when own_units > 0 and their_units > 0
                    and own_date >= day - 7 and their_date >= day - 7
                    then cast(own_units as double) / nullif(cast(their_units as double), 0)
            end as rate
        from crossed
    )

    select
        day,
        x_source as source,
        product,
        case when count(*) = count(billed / rate) then sum(billed / rate) end as billed,
        case when count(*) = count(effective / rate) then sum(effective / rate) end as effective
    from cost
    group by day, x_source, product
)
