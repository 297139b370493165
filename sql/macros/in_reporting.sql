-- rows of cost with `cost_day` (UTC) and `reporting_rate`, units of the billing currency for one of
-- the reporting currency: NULL where no rate is known. A provider's own rate serves USD only.
(
    select
        lines_of.*,
        coalesce(
            lines_of.x_usage_date,
            cast(
                coalesce(
                    lines_of.billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                ) as date
            )
        ) as cost_day,
        case
            when lines_of.billing_currency = '{reporting_currency}' then 1.0
            when '{reporting_currency}' = 'USD' and lines_of.x_currency_rate_usd is not null
                then nullif(lines_of.x_currency_rate_usd, 0)
            else nullif(rates_of.units_per_reporting, 0)
        end as reporting_rate
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
