-- one row per partition whose published rows are older than what the provider has delivered
with offered as (
    select word, "partition", fingerprint, delivered_at, 'not loaded' as state
    from provider_partitions
    union all
    select word, "partition", fingerprint, delivered_at, 'not normalised' as state
    from raw_partitions
    where "rows" > 0
),

published as (
    select word, "partition", fingerprint
    from published_partitions
    union all
    select word, "partition", fingerprint
    from raw_partitions
    where "rows" = 0
)

select
    offered.word as word,
    offered."partition" as "partition",
    min(offered.delivered_at) as delivered_at,
    max(offered.state) as state
from offered
where (offered.word, offered."partition", offered.fingerprint) not in (
    select (word, "partition", fingerprint) from published
)
group by offered.word, offered."partition"
order by word, "partition"
