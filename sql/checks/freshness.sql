-- one row per source whose newest delivery is older than three days: the clouds deliver daily
select
    word,
    max(delivered_at) as newest_delivery
from raw_partitions
group by word
having max(delivered_at) < now() - interval 3 day
order by word
