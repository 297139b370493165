-- one row per month and source: what its loads took, and their share of ClickHouse Cloud's cost
-- A month's cost of ClickHouse Cloud is divided by the processor seconds of the loads where all of
-- them are known, as on ClickHouse, else by their seconds. It is all of the service's cost: what
-- readers ask for is in it. The month is that of publishing, as of the cost that of use (UTC).
with loads as (
    select
        cast(date_trunc('month', published_at) as date) as first_day,
        word as source,
        count(*) as publishings,
        sum("rows") as line_items,
        sum(
            coalesce(read_seconds, 0)
            + coalesce(stage_seconds, 0)
            + coalesce(normalise_seconds, 0)
            + coalesce(publish_seconds, 0)
        ) as seconds,
        case when count(*) = count(cpu_seconds) then sum(deliveries.cpu_seconds) end as cpu_seconds,
        sum(deliveries.read_bytes) as read_bytes,
        sum(deliveries.written_bytes) as written_bytes
    from deliveries
    group by first_day, source
),

measured as (
    select
        *,
        case
            when count(*) over (partition by first_day)
                = count(loads.cpu_seconds) over (partition by first_day)
                then loads.cpu_seconds
            else loads.seconds
        end as weight
    from loads
),

shared as (
    select
        *,
        weight / nullif(sum(weight) over (partition by first_day), 0) as part
    from measured
),

spent as (
    select
        cast(date_trunc('month', each.day) as date) as first_day,
        1 as is_there,
        case when count(*) = count(each.effective) then sum(each.effective) end as amount
    from {reported_cost:costs_daily} as each
    where each.source = 'clickhouse_cloud'
    group by cast(date_trunc('month', each.day) as date)
)

select
    shared.first_day as "month",
    shared.source as source,
    '{reporting_currency}' as reporting_currency,
    shared.publishings as publishings,
    shared.line_items as line_items,
    shared.seconds as seconds,
    shared.cpu_seconds as cpu_seconds,
    shared.read_bytes as read_bytes,
    shared.written_bytes as written_bytes,
    shared.part as share,
    case when spent.is_there = 1 then shared.part * spent.amount end as cost,
    case
        when spent.is_there = 1
            then shared.part * spent.amount * 1000000 / nullif(shared.line_items, 0)
    end as cost_per_million_lines
from shared
left join spent on shared.first_day = spent.first_day
order by "month", source
