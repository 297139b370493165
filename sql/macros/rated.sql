-- a table of cost lines with `usd_rate`, units of the billing currency for one USD: the provider's
-- own rate, else that of fx_rates on the line's day or the last business day before it
(
    select
        lines_of.*,
        coalesce(lines_of.x_currency_rate_usd, nullif(rated.usd_rate, 0)) as usd_rate
    from {argument} as lines_of
    left join (
        select
            crossed.currency as currency,
            crossed.day as day,
            case
                when crossed.own_units > 0 and crossed.their_units > 0
                    and crossed.own_date >= crossed.day - 7
                    and crossed.their_date >= crossed.day - 7
                    then cast(crossed.own_units as double) / cast(crossed.their_units as double)
            end as usd_rate
        from (
            select
                own.*,
                theirs.units_per_eur as their_units,
                theirs.rate_date as their_date
            from (
                select
                    unrated.*,
                    ours.units_per_eur as own_units,
                    ours.rate_date as own_date
                from (
                    select distinct
                        billing_currency as currency,
                        'USD' as dollar,
                        coalesce(
                            x_usage_date,
                            cast(
                                coalesce(
                                    billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                                ) as date
                            )
                        ) as day
                    from {argument}
                    where x_currency_rate_usd is null and billing_currency is not null
                ) as unrated
                asof left join fx_rates as ours
                    on unrated.currency = ours.currency and unrated.day >= ours.rate_date
            ) as own
            asof left join fx_rates as theirs
                on own.dollar = theirs.currency and own.day >= theirs.rate_date
        ) as crossed
    ) as rated
        on lines_of.billing_currency = rated.currency
        and coalesce(
            lines_of.x_usage_date,
            cast(
                coalesce(
                    lines_of.billing_period_start, cast('1970-01-01 00:00:00' as timestamp)
                ) as date
            )
        ) = rated.day
)
