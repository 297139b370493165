-- one row per month of ClickHouse Cloud whose published rows or cost differ from its raw rows
with raw as (
    select month as x_partition, count(*) as row_count, sum(coalesce(amount_chc, 0)) as total
    from clickhouse_cloud__usage_cost
    group by month
),

published as (
    select x_partition, count(*) as row_count, sum(coalesce(billed_cost, 0)) as total
    from normalized_clickhouse_cloud
    group by x_partition
),

{conservation:clickhouse_cloud}

select
    x_partition as month,
    rows_raw,
    rows_published,
    total_raw as billed_raw,
    total_published as billed_published
from unequal
order by x_partition
