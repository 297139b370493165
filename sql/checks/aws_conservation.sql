-- one row per AWS billing period whose published rows or billed cost differ from its raw rows
-- Raw rows of split cost allocation repeat the cost of their instance and are not published.
-- Of a delivery with net amounts a discount counts by its net amount alone.
with lines as (
    select
        billing_period as x_partition,
        line_item_net_unblended_cost as net,
        coalesce(line_item_net_unblended_cost, line_item_unblended_cost, billed_cost, 0) as billed,
        case when coalesce(line_item_line_item_type, '') like '%Discount' then 1 else 0 end
            as is_discount
    from aws_costs__cur
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
),

raw as (
    select
        x_partition,
        count(*) as row_count,
        sum(case when is_discount = 1 and net is null then 0 else billed end)
        + case
            when count(net) = 0
                then sum(case when is_discount = 1 and net is null then billed else 0 end)
            else 0
        end as total
    from lines
    group by x_partition
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
