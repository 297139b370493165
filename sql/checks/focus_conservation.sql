-- one row per billing period of a FOCUS export whose published rows or cost differ from raw ones
with raw as (
    select
        billing_period as x_partition,
        count(*) as row_count,
        sum(coalesce(billed_cost, 0)) as total
    from focus__cost_and_usage
    group by billing_period
),

published as (
    select x_partition, count(*) as row_count, sum(coalesce(billed_cost, 0)) as total
    from normalized_focus
    group by x_partition
),

{conservation:focus}

select
    x_partition as billing_period,
    rows_raw,
    rows_published,
    total_raw as billed_raw,
    total_published as billed_published
from unequal
order by x_partition
