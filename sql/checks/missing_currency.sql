-- one row per partition with cost that has no currency
select
    x_source,
    x_partition,
    count(*) as line_items,
    sum(billed_cost) as billed
from costs
where billing_currency is null
group by x_source, x_partition
order by x_source, x_partition
