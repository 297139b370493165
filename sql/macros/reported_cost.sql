-- cost in the reporting currency by day (UTC), source and product: NULL where any part of it has no
-- cost, or no rate. Summed up before it is converted, by in_reporting
(
    with summed as (
        select
            x_usage_date,
            billing_period_start,
            x_source,
            {product:cost} as product,
            billing_currency,
            x_currency_rate_usd,
            case when sum(x_lines_without_billed_cost) = 0 then sum(billed_cost) end as billed,
            case when sum(x_lines_without_effective_cost) = 0 then sum(effective_cost) end
                as effective
        from {argument}
        group by
            x_usage_date,
            billing_period_start,
            x_source,
            {product:cost},
            billing_currency,
            x_currency_rate_usd
    )

    select
        cost_day as day,
        x_source as source,
        product,
        case
            when count(*) = count(converted.billed / reporting_rate)
                then sum(converted.billed / reporting_rate)
        end as billed,
        case
            when count(*) = count(converted.effective / reporting_rate)
                then sum(converted.effective / reporting_rate)
        end as effective
    from {in_reporting:summed} as converted
    where cost_day > cast('1971-01-01' as date)
    group by cost_day, x_source, product
)
