-- revenue and cost in the reporting currency by day (UTC) and product, or source: NULL where a part
-- of it has no rate or no cost, or no revenue was ever loaded, as in margin_daily
(
    with earned as (
        select
            activity_date as day,
            {product:revenue} as product,
            x_source as source,
            case when class = 'revenue' then gross_reporting else 0 end * cast(1 as double)
                as gross,
            (
                case
                    when class in ('revenue', 'contra', 'dispute', 'tax', 'fee')
                        then gross_reporting
                    else 0
                end
                - fee_reporting
            ) * cast(1 as double) as net
        from revenue
        where class <> 'unclassified'
    ),

    parts as (
        select
            earned.day as day,
            earned.{argument} as {argument},
            earned.gross as gross,
            earned.net as net,
            cast(0 as double) as billed,
            cast(0 as double) as effective
        from earned
        union all
        select
            cost.day as day,
            cost.{argument} as {argument},
            cast(0 as double) as gross,
            cast(0 as double) as net,
            cost.billed as billed,
            cost.effective as effective
        from {reported_cost:costs_daily} as cost
    )

    select
        parts.day as day,
        parts.{argument} as {argument},
        '{reporting_currency}' as reporting_currency,
        case when count(*) = count(gross) and (select count(*) from revenue) > 0 then sum(gross) end
            as revenue_gross,
        case when count(*) = count(net) and (select count(*) from revenue) > 0 then sum(net) end
            as revenue_net,
        case when count(*) = count(billed) then sum(billed) end as cost_billed,
        case when count(*) = count(effective) then sum(effective) end as cost_effective
    from parts
    group by parts.day, parts.{argument}
)
