-- one row per billing account and usage month with days of use read from more than one table
-- The detailed export repeats every row of the standard one, and a new table the last months of the
-- one before: both together double the cost. The next plain `load gcp` reads each month from one.
with days as (
    select
        billing_account_id,
        cast(coalesce(usage_start_time, export_time) as date) as usage_date,
        count(distinct x_export_table) as tables,
        min(x_export_table) as one_table,
        max(x_export_table) as other_table,
        count(*) as line_items
    from gcp_costs__billing_export
    group by billing_account_id, cast(coalesce(usage_start_time, export_time) as date)
    having count(distinct x_export_table) > 1
)

select
    cast(date_trunc('month', usage_date) as date) as usage_month,
    billing_account_id,
    count(*) as days,
    min(one_table) as table_one,
    max(other_table) as table_two,
    sum(line_items) as rows_of_both
from days
group by cast(date_trunc('month', usage_date) as date), billing_account_id
order by usage_month, billing_account_id
