-- cost lines with `reporting_rate`, units of the billing currency for one of the reporting currency:
-- 1 for itself, in USD the provider's own rate, else that of reporting_rates
(
    select
        lines_of.*,
        coalesce(
            case when lines_of.billing_currency = '{reporting_currency}' then cast(1 as double) end,
            case
                when '{reporting_currency}' = 'USD' then nullif(lines_of.x_currency_rate_usd, 0)
            end,
            nullif(rates_of.units_per_reporting, 0)
        ) as reporting_rate
    from {argument} as lines_of
    left join reporting_rates as rates_of
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
