-- the partitions of a source whose published rows or total differ from those of its raw rows, by the
-- ctes raw and published (x_partition, row_count, total); one that came normalised has no raw rows
-- here: it was checked where it was loaded
compared as (
    select x_partition, row_count as raw_rows, total as raw_total, 0 as published_rows,
        0.0 as published_total
    from raw
    union all
    select x_partition, 0 as raw_rows, 0.0 as raw_total, row_count as published_rows,
        total as published_total
    from published
),

unequal as (
    select
        x_partition,
        sum(raw_rows) as rows_raw,
        sum(published_rows) as rows_published,
        sum(raw_total) as total_raw,
        sum(published_total) as total_published
    from compared
    where x_partition in (
        select "partition" from raw_partitions
        where word = '{argument}'
    )
    group by x_partition
    having sum(raw_rows) <> sum(published_rows)
        or abs(sum(raw_total) - sum(published_total)) > 1e-6 + 1e-9 * abs(sum(raw_total))
)
