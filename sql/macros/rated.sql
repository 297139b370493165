-- a table of cost lines with `usd_rate`, units of the billing currency for one USD: the provider's
-- own rate, else that of fx_rates on the line's day or the last business day before it
(
    with unrated as (
        select distinct
            billing_currency as own_currency,
            'USD' as dollar,
            coalesce(
                x_usage_date,
                cast(
                    coalesce(billing_period_start, cast('1970-01-01 00:00:00' as timestamp)) as date
                )
            ) as own_day
        from {argument}
        where x_currency_rate_usd is null and billing_currency is not null
    ),

    own as (
        select
            unrated.*,
            rates.units_per_eur as own_units,
            rates.rate_date as own_date
        from unrated
        asof left join fx_rates as rates
            on unrated.own_currency = rates.currency and unrated.own_day >= rates.rate_date
    ),

    crossed as (
        select
            own.*,
            rates.units_per_eur as their_units,
            rates.rate_date as their_date
        from own
        asof left join fx_rates as rates
            on own.dollar = rates.currency and own.own_day >= rates.rate_date
    ),

    rated as (
        select
            own_currency,
            own_day,
            cast(own_units as double) / nullif(cast(their_units as double), 0) as cross_rate
        from crossed
        where own_units > 0 and their_units > 0
            and own_date >= own_day - 7 and their_date >= own_day - 7
    )

    select
        lines_of.*,
        coalesce(lines_of.x_currency_rate_usd, nullif(rated.cross_rate, 0)) as usd_rate
    from {argument} as lines_of
    left join rated
        on lines_of.billing_currency = rated.own_currency
        and coalesce(
            lines_of.x_usage_date,
            cast(
                coalesce(
                    lines_of.billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                ) as date
            )
        ) = rated.own_day
)
