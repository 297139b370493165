-- one row per Deribit day that is over, published, and not proven to be complete
-- Every load reads an open day again, also one that an older version closed without proof. A hole
-- was not proven in time and is only read again with --force.
with days as (
    select
        "partition",
        cast(substring("partition", 1, 10) as date) as trade_date,
        fingerprint,
        fingerprint like '%-%-%-%' as is_dated,
        "rows",
        loaded_at
    from raw_partitions
    where word = 'deribit'
)

select
    "partition",
    case
        when fingerprint like 'holes-%' then 'hole'
        when fingerprint like 'closed-%' then 'without a proof'
        else 'open'
    end as state,
    case
        when is_dated then substring(fingerprint, length(fingerprint) - 7)
    end as since,
    "rows" as trades,
    loaded_at
from days
where not (fingerprint like 'closed-%' and is_dated)
    and (
        is_dated
        or fingerprint like 'closed-%'
        or trade_date < cast(now() - interval 2 day as date)
    )
order by "partition"
