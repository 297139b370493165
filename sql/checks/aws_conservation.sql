-- one row per AWS billing period whose published rows or billed cost differ from its raw rows
-- Raw rows of split cost allocation repeat the cost of their instance and are not published.
-- A period that was ingested normalised has no raw rows here; it was checked where it was loaded.
with raw as (
    select
        billing_period,
        count(*) as raw_rows,
        sum(coalesce(line_item_net_unblended_cost, line_item_unblended_cost, billed_cost, 0))
            as raw_billed
    from aws_costs__cur
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
    group by billing_period
),

published as (
    select
        x_partition as billing_period,
        count(*) as published_rows,
        sum(coalesce(billed_cost, 0)) as published_billed
    from normalized_aws
    group by x_partition
),

compared as (
    select billing_period, raw_rows, raw_billed, 0 as published_rows, 0.0 as published_billed
    from raw
    union all
    select billing_period, 0 as raw_rows, 0.0 as raw_billed, published_rows, published_billed
    from published
)

select
    billing_period,
    sum(raw_rows) as rows_raw,
    sum(published_rows) as rows_published,
    sum(raw_billed) as billed_raw,
    sum(published_billed) as billed_published
from compared
where billing_period in (
    select "partition" from raw_partitions
    where word = 'aws'
)
group by billing_period
having sum(raw_rows) <> sum(published_rows)
    or abs(sum(raw_billed) - sum(published_billed)) > 1e-6 + 1e-9 * abs(sum(raw_billed))
order by billing_period
