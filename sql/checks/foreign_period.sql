-- one row per partition that holds rows of another billing period
select
    x_source,
    x_partition,
    min(billing_period_start) as first_period,
    max(billing_period_start) as last_period,
    count(*) as line_items
from costs
where x_source = 'aws'
    and extract(year from billing_period_start) * 100 + extract(month from billing_period_start)
        <> cast(replace(substring(x_partition, 1, 7), '-', '') as integer)
group by x_source, x_partition
order by x_source, x_partition
