-- one row per Deribit partition that holds trades of another day or currency
select
    x_partition,
    min(trade_date) as first_day,
    max(trade_date) as last_day,
    count(*) as trades
from trades
where cast(trade_date as varchar) <> substring(x_partition, 1, 10)
    or currency <> substring(x_partition, 12)
group by x_partition
order by x_partition
