-- one row per GCP export day that has fewer rows than it had: Google adds rows and takes none away
-- The export was recreated, or its table replaced. `load gcp --force` of the day accepts it, with
-- `normalize gcp --force` on the filesystem.
with numbered as (
    select
        "partition",
        "rows",
        published_at,
        lag("rows") over (partition by "partition" order by published_at) as rows_before,
        row_number() over (partition by "partition" order by published_at desc) as nth_newest
    from deliveries
    where word = 'gcp'
)

select
    "partition" as export_date,
    rows_before,
    "rows" as rows_now,
    published_at
from numbered
where nth_newest = 1 and "rows" < rows_before
order by export_date
