-- cost lines with `usd_rate`, units of the billing currency for one USD: the provider's own rate,
-- else that of usd_rates
(
    select
        lines_of.*,
        coalesce(lines_of.x_currency_rate_usd, nullif(rates_of.units_per_usd, 0)) as usd_rate
    from {argument} as lines_of
    left join usd_rates as rates_of
        on lines_of.billing_currency = rates_of.currency
        and coalesce(
            lines_of.x_usage_date,
            cast(
                coalesce(
                    lines_of.billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                ) as date
            )
        ) = rates_of.rate_date
)
