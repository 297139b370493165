-- one row per source: its newest delivery, newest publishing and newest day
-- The day is of usage in costs, of activity in revenue, of rates or of trades.
with published as (
    select
        word,
        count(distinct "partition") as partitions,
        max("partition") as newest_partition,
        max(delivered_at) as newest_delivery,
        max(published_at) as newest_publishing
    from deliveries
    where word in ({source_names})
    group by word
),

days as (
    {newest_days}
),

facts as (
    select
        word,
        partitions,
        newest_partition,
        newest_delivery,
        newest_publishing,
        null as newest_day
    from published
    union all
    select
        word,
        null as partitions,
        null as newest_partition,
        null as newest_delivery,
        null as newest_publishing,
        newest_day
    from days
)

select
    word as source,
    max(facts.partitions) as partitions,
    max(facts.newest_partition) as newest_partition,
    max(facts.newest_delivery) as newest_delivery,
    max(facts.newest_publishing) as newest_publishing,
    max(facts.newest_day) as newest_day
from facts
group by word
order by source
