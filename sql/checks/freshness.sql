-- one row per cloud whose newest delivery is older than three days: they deliver daily
-- Stripe depends on customers, and revenue_rate names rates that are too old.
-- A partition that was ingested normalised has no raw rows here, only a row in the history.
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
where word in ('aws', 'gcp')
group by word
having max(delivered_at) < now() - interval 3 day
order by word
