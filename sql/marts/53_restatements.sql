-- one row per publishing of a partition: the change it made, and the total of its month after it
-- A partition's first publishing is new data. A later one is a restatement when the provider's
-- delivery changed, else a recalculation (new rules or tag columns).
with history as (
    select
        word,
        "partition",
        fingerprint,
        substring("partition", 1, 7) as month,
        billing_currency,
        "rows",
        coalesce(deliveries.billed, 0) as billed,
        coalesce(deliveries.effective, 0) as effective,
        delivered_at,
        published_at
    from deliveries
),

numbered as (
    select
        word,
        "partition",
        fingerprint,
        month,
        billing_currency,
        "rows",
        billed,
        effective,
        delivered_at,
        published_at,
        row_number() over (partition by word, "partition" order by published_at) as delivery,
        row_number() over (partition by word, "partition" order by published_at desc) as age,
        max(fingerprint) over (
            partition by word, "partition" order by published_at
            rows between 1 preceding and 1 preceding
        ) as fingerprint_before,
        sum("rows") over (
            partition by word, "partition" order by published_at
            rows between 1 preceding and 1 preceding
        ) as rows_before,
        sum(billed) over (
            partition by word, "partition" order by published_at
            rows between 1 preceding and 1 preceding
        ) as billed_before,
        sum(effective) over (
            partition by word, "partition" order by published_at
            rows between 1 preceding and 1 preceding
        ) as effective_before
    from history
),

moved as (
    select
        word,
        "partition",
        month,
        billing_currency,
        delivery,
        case
            when delivery = 1 then 'first'
            when fingerprint <> fingerprint_before then 'restated'
            else 'recalculated'
        end as kind,
        case when age = 1 then 1 else 0 end as is_current,
        "rows",
        billed,
        effective,
        case when delivery = 1 then "rows" else "rows" - coalesce(rows_before, 0) end
            as rows_change,
        case when delivery = 1 then billed else billed - coalesce(billed_before, 0) end
            as billed_change,
        case when delivery = 1 then effective else effective - coalesce(effective_before, 0) end
            as effective_change,
        delivered_at,
        published_at
    from numbered
)

select
    word as source,
    "partition" as source_partition,
    month,
    billing_currency,
    delivery,
    kind,
    is_current,
    "rows" as line_items,
    billed,
    effective,
    rows_change as line_items_change,
    billed_change,
    effective_change,
    sum(billed_change) over (
        partition by word, month order by published_at, "partition"
        rows between unbounded preceding and current row
    ) as month_billed,
    sum(effective_change) over (
        partition by word, month order by published_at, "partition"
        rows between unbounded preceding and current row
    ) as month_effective,
    delivered_at,
    published_at
from moved
order by source, month, published_at, source_partition
