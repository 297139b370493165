-- one row per partition and sum that differs between the cost lines and costs_daily
-- A count of lines without a value has to agree as well: an unknown cost is never shown as 0.
with sides as (
    select
        x_source,
        x_partition,
        0 as is_daily,
        count(*) as x_lines,
        sum(costs.consumed_quantity) as consumed_quantity,
        count(*) - count(costs.consumed_quantity) as x_lines_without_consumed_quantity,
        sum(costs.pricing_quantity) as pricing_quantity,
        count(*) - count(costs.pricing_quantity) as x_lines_without_pricing_quantity,
        sum(costs.billed_cost) as billed_cost,
        count(*) - count(costs.billed_cost) as x_lines_without_billed_cost,
        sum(costs.effective_cost) as effective_cost,
        count(*) - count(costs.effective_cost) as x_lines_without_effective_cost,
        sum(costs.list_cost) as list_cost,
        count(*) - count(costs.list_cost) as x_lines_without_list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        count(*) - count(costs.contracted_cost) as x_lines_without_contracted_cost,
        sum(costs.x_credit_amount) as x_credit_amount,
        count(*) - count(costs.x_credit_amount) as x_lines_without_credit_amount
    from costs
    group by x_source, x_partition
    union all
    select
        x_source,
        x_partition,
        1 as is_daily,
        sum(costs_daily.x_lines) as x_lines,
        sum(costs_daily.consumed_quantity) as consumed_quantity,
        sum(costs_daily.x_lines_without_consumed_quantity) as x_lines_without_consumed_quantity,
        sum(costs_daily.pricing_quantity) as pricing_quantity,
        sum(costs_daily.x_lines_without_pricing_quantity) as x_lines_without_pricing_quantity,
        sum(costs_daily.billed_cost) as billed_cost,
        sum(costs_daily.x_lines_without_billed_cost) as x_lines_without_billed_cost,
        sum(costs_daily.effective_cost) as effective_cost,
        sum(costs_daily.x_lines_without_effective_cost) as x_lines_without_effective_cost,
        sum(costs_daily.list_cost) as list_cost,
        sum(costs_daily.x_lines_without_list_cost) as x_lines_without_list_cost,
        sum(costs_daily.contracted_cost) as contracted_cost,
        sum(costs_daily.x_lines_without_contracted_cost) as x_lines_without_contracted_cost,
        sum(costs_daily.x_credit_amount) as x_credit_amount,
        sum(costs_daily.x_lines_without_credit_amount) as x_lines_without_credit_amount
    from costs_daily
    group by x_source, x_partition
),

figures as (
    select 'x_lines' as figure
    union all
    select 'consumed_quantity' as figure
    union all
    select 'x_lines_without_consumed_quantity' as figure
    union all
    select 'pricing_quantity' as figure
    union all
    select 'x_lines_without_pricing_quantity' as figure
    union all
    select 'billed_cost' as figure
    union all
    select 'x_lines_without_billed_cost' as figure
    union all
    select 'effective_cost' as figure
    union all
    select 'x_lines_without_effective_cost' as figure
    union all
    select 'list_cost' as figure
    union all
    select 'x_lines_without_list_cost' as figure
    union all
    select 'contracted_cost' as figure
    union all
    select 'x_lines_without_contracted_cost' as figure
    union all
    select 'x_credit_amount' as figure
    union all
    select 'x_lines_without_credit_amount' as figure
),

amounts as (
    select
        x_source,
        x_partition,
        is_daily,
        figure,
        case figure
            when 'x_lines'
                then cast(x_lines as double)
            when 'consumed_quantity'
                then consumed_quantity
            when 'x_lines_without_consumed_quantity'
                then cast(x_lines_without_consumed_quantity as double)
            when 'pricing_quantity'
                then pricing_quantity
            when 'x_lines_without_pricing_quantity'
                then cast(x_lines_without_pricing_quantity as double)
            when 'billed_cost'
                then billed_cost
            when 'x_lines_without_billed_cost'
                then cast(x_lines_without_billed_cost as double)
            when 'effective_cost'
                then effective_cost
            when 'x_lines_without_effective_cost'
                then cast(x_lines_without_effective_cost as double)
            when 'list_cost'
                then list_cost
            when 'x_lines_without_list_cost'
                then cast(x_lines_without_list_cost as double)
            when 'contracted_cost'
                then contracted_cost
            when 'x_lines_without_contracted_cost'
                then cast(x_lines_without_contracted_cost as double)
            when 'x_credit_amount'
                then x_credit_amount
            when 'x_lines_without_credit_amount'
                then cast(x_lines_without_credit_amount as double)
        end as amount
    from sides
    cross join figures
),

compared as (
    select
        x_source,
        x_partition,
        figure,
        sum(case when is_daily = 0 then amount end) as in_costs,
        sum(case when is_daily = 1 then amount end) as in_costs_daily
    from amounts
    group by x_source, x_partition, figure
)

select
    x_source as source,
    x_partition as source_partition,
    figure,
    in_costs,
    in_costs_daily
from compared
where (in_costs is null) <> (in_costs_daily is null)
    or abs(in_costs - in_costs_daily) > 1e-6 + 1e-9 * abs(in_costs)
order by source, source_partition, figure
