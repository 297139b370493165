-- one row per GCP partition that holds rows of another export day
select
    export_date,
    min(export_time) as first_export,
    max(export_time) as last_export,
    count(*) as line_items
from gcp_costs__billing_export
where export_time is null or cast(export_time as date) <> cast(export_date as date)
group by export_date
order by export_date
