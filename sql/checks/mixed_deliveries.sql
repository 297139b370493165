-- one row per partition that holds rows of more than one delivery: its cost is counted twice
select
    x_source,
    x_partition,
    count(distinct x_fingerprint) as deliveries,
    count(*) as line_items
from costs
group by x_source, x_partition
having count(distinct x_fingerprint) > 1
order by x_source, x_partition
