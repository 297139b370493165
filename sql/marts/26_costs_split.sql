-- one row per line of AWS's split cost allocation: a pod's or a task's share of its instance
-- made per partition of aws, from its raw rows
-- These lines say once more what the instance costs, so they are not in `costs` and are never added
-- to it. Net where the delivery has net amounts. Where no tag says so, names are from the ARN.
with lines as (
    select
        *,
        coalesce(line_item_resource_id, '') as arn,
        coalesce(line_item_operation, '') as operation,
        {number:split_line_item_split_cost} as split_gross,
        {number:split_line_item_unused_cost} as unused_gross,
        {number:split_line_item_net_split_cost} as split_net,
        {number:split_line_item_net_unused_cost} as unused_net
    from aws_costs__cur
    where coalesce(line_item_operation, '') in ('EKSPod-EC2', 'ECSTask-EC2')
        or coalesce(split_line_item_parent_resource_id, '') <> ''
)

select
    -- when
    nullif(
        cast(
            coalesce(
                line_item_usage_start_date, cast('1970-01-01 00:00:00' as timestamp)
            ) as date
        ),
        cast('1970-01-01' as date)
    ) as usage_date,
    line_item_usage_start_date as charge_period_start,
    -- who
    nullif(line_item_usage_account_id, '') as sub_account_id,
    -- what
    case
        when operation like 'EKS%' or arn like '%:pod/%' then 'EKS'
        when operation like 'ECS%' or arn like '%:task/%' then 'ECS'
    end as orchestrator,
    coalesce(
        {raw_tag:aws:eks:cluster-name},
        {raw_tag:aws:ecs:clusterName},
        {raw_tag:aws:ecs:cluster-name},
        nullif(regexp_extract(arn, ':(pod|task)/([^/]*)/', 2), '')
    ) as cluster,
    coalesce(
        {raw_tag:aws:eks:namespace}, nullif(regexp_extract(arn, ':pod/[^/]*/([^/]*)', 1), '')
    ) as namespace,
    coalesce(
        {raw_tag:aws:eks:deployment},
        {raw_tag:aws:eks:workload-name},
        {raw_tag:aws:ecs:serviceName},
        {raw_tag:aws:ecs:service-name}
    ) as workload,
    {raw_tag:aws:eks:workload-type} as workload_type,
    coalesce(
        nullif(regexp_extract(arn, ':pod/[^/]*/[^/]*/([^/]*)', 1), ''),
        nullif(regexp_extract(arn, ':task/(.*/)?([^/]*)$', 2), '')
    ) as pod,
    nullif(arn, '') as resource_id,
    nullif(split_line_item_parent_resource_id, '') as parent_resource_id,
    nullif(line_item_usage_type, '') as usage_type,
    -- how much
    {number:split_line_item_reserved_usage} as reserved_usage,
    {number:split_line_item_actual_usage} as actual_usage,
    {number:split_line_item_split_usage} as split_usage,
    -- money
    nullif(line_item_currency_code, '') as billing_currency,
    split_gross as split_cost,
    unused_gross as unused_cost,
    split_net as net_split_cost,
    unused_net as net_unused_cost,
    coalesce(split_net, split_gross) + coalesce(unused_net, unused_gross, 0) as effective_cost,
    -- ours
    billing_period as x_partition,
    x_fingerprint
from lines
