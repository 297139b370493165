-- one row per GCP export day whose published rows or billed cost differ from its raw rows
-- The raw side adds up the credits as BigQuery did, not as the normaliser reads them.
-- A day that was ingested normalised has no raw rows here; it was checked where it was loaded.
with raw as (
    select
        export_date,
        count(*) as raw_rows,
        sum(coalesce(cost + coalesce(x_credit_total, 0), 0)) as raw_billed
    from gcp_costs__billing_export
    group by export_date
),

published as (
    select
        x_partition as export_date,
        count(*) as published_rows,
        sum(coalesce(billed_cost, 0)) as published_billed
    from normalized_gcp
    group by x_partition
),

compared as (
    select export_date, raw_rows, raw_billed, 0 as published_rows, 0.0 as published_billed
    from raw
    union all
    select export_date, 0 as raw_rows, 0.0 as raw_billed, published_rows, published_billed
    from published
)

select
    export_date,
    sum(raw_rows) as rows_raw,
    sum(published_rows) as rows_published,
    sum(raw_billed) as billed_raw,
    sum(published_billed) as billed_published
from compared
where export_date in (
    select "partition" from raw_partitions
    where word = 'gcp'
)
group by export_date
having sum(raw_rows) <> sum(published_rows)
    or abs(sum(raw_billed) - sum(published_billed)) > 1e-6 + 1e-9 * abs(sum(raw_billed))
order by export_date
