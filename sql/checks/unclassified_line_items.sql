-- one row per unknown line item type: its effective and list cost are not published
select
    x_source,
    x_partition,
    coalesce(x_line_item_type, '(none)') as line_item_type,
    count(*) as line_items,
    sum(billed_cost) as billed
from costs
where charge_category = 'unclassified'
group by x_source, x_partition, coalesce(x_line_item_type, '(none)')
order by x_source, x_partition, line_item_type
