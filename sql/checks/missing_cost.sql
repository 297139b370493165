-- one row per known line item type with an unknown billed, effective or list cost
select
    x_source,
    x_partition,
    coalesce(x_line_item_type, charge_category) as line_item_type,
    sum(case when billed_cost is null then 1 else 0 end) as without_billed,
    sum(case when effective_cost is null then 1 else 0 end) as without_effective,
    sum(case when list_cost is null then 1 else 0 end) as without_list
from costs
where charge_category <> 'unclassified'
    and (billed_cost is null or effective_cost is null or list_cost is null)
group by x_source, x_partition, coalesce(x_line_item_type, charge_category)
order by x_source, x_partition, line_item_type
