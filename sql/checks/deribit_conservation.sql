-- one row per Deribit day whose published trades or amounts differ from its raw trades
with raw as (
    select trade_date as x_partition, count(*) as row_count, sum(coalesce(amount, 0)) as total
    from deribit__trades
    group by trade_date
),

published as (
    select x_partition, count(*) as row_count, sum(coalesce(amount, 0)) as total
    from trades
    where x_fingerprint <> 'live'
    group by x_partition
),

{conservation:deribit}

select
    x_partition as day_and_currency,
    rows_raw,
    rows_published,
    total_raw as amount_raw,
    total_published as amount_published
from unequal
order by x_partition
