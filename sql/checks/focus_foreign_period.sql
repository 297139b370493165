-- one row per billing period of a FOCUS export that holds rows of another month
-- OCI's files lie in the folder of the day on which they were written, which may be a month later.
select
    x_partition as billing_period,
    min(billing_period_start) as first_period,
    max(billing_period_start) as last_period,
    count(*) as row_count
from normalized_focus
where extract(year from billing_period_start) * 100 + extract(month from billing_period_start)
    <> cast(replace(substring(x_partition, 1, 7), '-', '') as integer)
    and provider_name not in ('Oracle', 'Oracle Cloud Infrastructure', 'OCI')
group by x_partition
order by x_partition
