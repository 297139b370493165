-- one row per GCP export day whose published rows or billed cost differ from its raw rows
-- The raw side adds up the credits as BigQuery did, not as the normaliser reads them.
with raw as (
    select
        export_date as x_partition,
        count(*) as row_count,
        sum(coalesce(cost + coalesce(x_credit_total, 0), 0)) as total
    from gcp_costs__billing_export
    group by export_date
),

published as (
    select x_partition, count(*) as row_count, sum(coalesce(billed_cost, 0)) as total
    from normalized_gcp
    group by x_partition
),

{conservation:gcp}

select
    x_partition as export_date,
    rows_raw,
    rows_published,
    total_raw as billed_raw,
    total_published as billed_published
from unequal
order by x_partition
