-- sums of cost with `usd_rate`, units of the billing currency for one USD: the provider's own rate,
-- else that of usd_rates on `rate_day`, which is NULL where the provider has a rate. So marts sum up
-- before anything is joined
(
    select
        sums_of.*,
        coalesce(sums_of.x_currency_rate_usd, nullif(rates_of.units_per_usd, 0)) as usd_rate
    from {argument} as sums_of
    left join usd_rates as rates_of
        on sums_of.billing_currency = rates_of.currency and sums_of.rate_day = rates_of.rate_date
)
