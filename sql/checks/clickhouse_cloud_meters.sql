-- one row per meter of ClickHouse Cloud that is not known, or rest that its metrics do not explain
select
    x_partition as month,
    sku_id as meter,
    count(*) as records,
    sum(billed_cost) as billed
from normalized_clickhouse_cloud
where service_name = 'Unknown meter'
group by x_partition, sku_id
order by month, meter
