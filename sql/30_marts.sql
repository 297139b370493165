-- the marts: what readers query. Twin: pipelines/tables/raw_tables.py
-- marts computed from other marts are in marts/, one portable select each

-- one row per cost line of every cloud
create or replace view costs as
{costs};

-- one row per trade on Deribit: the batch's, and live ones of days that the batch has not proved
create or replace view trades as
select * from normalized_deribit
union all
{live_trades};

-- one row per partition and delivery that readers read
create or replace view published_partitions as
{published_partitions};

-- one row per loaded raw partition; a partition that the provider emptied has no rows in raw
create or replace view raw_partitions as
with loaded as (
    {raw_partitions}
),

emptied as (
    select
        word,
        "partition",
        argMax(deliveries.fingerprint, published_at) as fingerprint,
        argMax(deliveries."rows", published_at) as "rows",
        argMax(deliveries.delivered_at, published_at) as delivered_at,
        max(published_at) as loaded_at
    from deliveries
    where (word, "partition") not in (select (word, "partition") from loaded)
    group by word, "partition"
)

select
    word,
    "partition",
    fingerprint,
    "rows",
    delivered_at,
    toDateTime64(toFloat64OrZero(load_id), 6, 'UTC') as loaded_at
from loaded
union all
select
    word,
    "partition",
    fingerprint,
    "rows",
    ifNull(delivered_at, loaded_at) as delivered_at,
    loaded_at
from emptied
where "rows" = 0;
