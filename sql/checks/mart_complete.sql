-- one row per partition whose rows in costs differ from its normalised table
with counted as (
    select x_source, x_partition, x_fingerprint, count(*) as normalised, 0 as in_costs
    from normalized_aws
    group by x_source, x_partition, x_fingerprint
    union all
    select x_source, x_partition, x_fingerprint, count(*) as normalised, 0 as in_costs
    from normalized_gcp
    group by x_source, x_partition, x_fingerprint
    union all
    select x_source, x_partition, x_fingerprint, 0 as normalised, count(*) as in_costs
    from costs
    where x_source in ('aws', 'gcp')
    group by x_source, x_partition, x_fingerprint
)

select
    x_source,
    x_partition,
    x_fingerprint,
    sum(normalised) as rows_normalised,
    sum(in_costs) as rows_in_costs
from counted
group by x_source, x_partition, x_fingerprint
having sum(normalised) <> sum(in_costs)
order by x_source, x_partition
