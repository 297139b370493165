-- one row per AWS billing period whose published rows or billed cost differ from its raw rows
-- Raw rows of split cost allocation repeat the cost of their instance and are not published.
with raw as (
    select
        billing_period as x_partition,
        count(*) as row_count,
        sum(coalesce(line_item_net_unblended_cost, line_item_unblended_cost, billed_cost, 0))
            as total
    from aws_costs__cur
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
    group by billing_period
),

published as (
    select x_partition, count(*) as row_count, sum(coalesce(billed_cost, 0)) as total
    from normalized_aws
    group by x_partition
),

{conservation:aws}

select
    x_partition as billing_period,
    rows_raw,
    rows_published,
    total_raw as billed_raw,
    total_published as billed_published
from unequal
order by x_partition
