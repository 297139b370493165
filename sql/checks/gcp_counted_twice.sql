-- one row per billing account and export day that was read from more than one table
-- The detailed export repeats every row of the standard one: both together double the cost.
select
    export_date,
    billing_account_id,
    count(distinct x_export_table) as tables,
    min(x_export_table) as one_table,
    max(x_export_table) as other_table,
    count(*) as line_items
from gcp_costs__billing_export
group by export_date, billing_account_id
having count(distinct x_export_table) > 1
order by export_date, billing_account_id
