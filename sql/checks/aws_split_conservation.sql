-- one row per instance and hour whose pods and tasks cost more or less than the instance itself
-- The shares and the unused rest add up to the amortised cost of the instance, net where the split
-- lines have net amounts. Of a day or a month no pod may have run in a part: less is right there.
with shares as (
    select
        x_partition,
        parent_resource_id,
        charge_period_start,
        count(*) as line_items,
        sum(split_cost + coalesce(unused_cost, 0)) as gross,
        sum(net_split_cost + coalesce(net_unused_cost, 0)) as net
    from costs_split
    where parent_resource_id is not null
    group by x_partition, parent_resource_id, charge_period_start
),

lines as (
    select
        billing_period as x_partition,
        line_item_resource_id as parent_resource_id,
        line_item_usage_start_date as charge_period_start,
        line_item_usage_end_date as charge_period_end,
        case line_item_line_item_type
            when 'SavingsPlanCoveredUsage' then savings_plan_savings_plan_effective_cost
            when 'DiscountedUsage' then reservation_effective_cost
            else line_item_unblended_cost
        end as gross,
        case line_item_line_item_type
            when 'SavingsPlanCoveredUsage' then savings_plan_net_savings_plan_effective_cost
            when 'DiscountedUsage' then reservation_net_effective_cost
            else line_item_net_unblended_cost
        end as net
    from aws_costs__cur
    where line_item_line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
        and (
            line_item_usage_type like '%BoxUsage%'
            or line_item_usage_type like '%SpotUsage%'
            or line_item_usage_type like '%HeavyUsage%'
            or line_item_usage_type like '%DedicatedUsage%'
        )
),

instances as (
    select
        x_partition,
        parent_resource_id,
        charge_period_start,
        max(lines.charge_period_end) as charge_period_end,
        sum(lines.gross) as gross,
        sum(coalesce(lines.net, lines.gross)) as net
    from lines
    group by x_partition, parent_resource_id, charge_period_start
),

compared as (
    select
        shares.x_partition as x_partition,
        shares.parent_resource_id as parent_resource_id,
        shares.charge_period_start as charge_period_start,
        shares.line_items as line_items,
        coalesce(shares.net, shares.gross) as cost_split,
        case when shares.net is null then instances.gross else instances.net end as cost_instance,
        instances.charge_period_end <= instances.charge_period_start + interval 1 hour as is_hour
    from shares
    inner join instances
        on shares.x_partition = instances.x_partition
        and shares.parent_resource_id = instances.parent_resource_id
        and shares.charge_period_start = instances.charge_period_start
)

select
    x_partition,
    parent_resource_id,
    charge_period_start,
    line_items,
    cost_split,
    cost_instance
from compared
where cost_split > cost_instance + 0.000001 + 0.001 * abs(cost_instance)
    or (is_hour and cost_split < cost_instance - 0.000001 - 0.001 * abs(cost_instance))
order by x_partition, parent_resource_id, charge_period_start
