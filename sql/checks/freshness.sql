-- one row per source whose newest delivery is older than three days: they deliver daily
-- What Stripe has is the customers' doing, and rates that are too old are named by their own check.
-- Raw may be elsewhere: of a partition that was ingested normalised, only the history has a row.
with known as (
    select word, delivered_at
    from raw_partitions
    union all
    select word, delivered_at
    from deliveries
    where delivered_at is not null
)

select
    word,
    max(delivered_at) as newest_delivery
from known
where word in ({daily_sources})
group by word
having max(delivered_at) < now() - interval 3 day
order by word
