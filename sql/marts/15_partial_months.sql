-- one row per source and month of use whose first days are missing: never read, or pruned
-- A load with --from and `prune` begin at a day. A month that began before it is whole only when
-- every day before it has lines all the same, as where Google fills a new export back. A partition
-- is a month, a day, or one export's month such as 2026-10@eu.
with lines as (
    select
        source,
        usage_date,
        cast(date_trunc('month', usage_date) as date) as month,
        cast(
            case
                when substring(source_partition, 8, 1) = '-' then substring(source_partition, 1, 10)
                else concat(substring(source_partition, 1, 7), '-01')
            end as date
        ) as partition_day
    from (
        select
            x_source as source,
            cast(x_usage_date as date) as usage_date,
            x_partition as source_partition
        from costs_daily
        where x_usage_date is not null
        group by x_source, cast(x_usage_date as date), x_partition
    ) as days
),

spans as (
    select source, min(partition_day) as read_from
    from lines
    group by source
),

months as (
    select
        lines.source as source,
        lines.month as month,
        spans.read_from as read_from,
        count(distinct case when lines.usage_date < spans.read_from then lines.usage_date end)
            as days_with_lines,
        min(
            case
                when spans.read_from < cast(lines.month + interval 1 month as date)
                    then date_diff('day', lines.month, spans.read_from)
                else date_diff('day', lines.month, cast(lines.month + interval 1 month as date))
            end
        ) as days_before
    from lines
    inner join spans on lines.source = spans.source
    where lines.month < spans.read_from
    group by lines.source, lines.month, spans.read_from
)

select
    month,
    source,
    read_from,
    days_before,
    days_before - days_with_lines as days_missing
from months
where days_with_lines < days_before
order by month, source
