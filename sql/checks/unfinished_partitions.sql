-- one row per published partition and account that was read before its last changes: run load
-- A partition is final when it was read after its end plus the lookback, for every configured
-- account or dataset. A load reads all others again, so one that waits for three days is forgotten.
-- Before 0.2 the moment of a reading was not noted: the delivery stands for it, of those whose rows
-- are there.
with scopes as (
    {scopes}
),

named as (
    select 'stripe' as word, created_month as "partition", account as member
    from stripe__balance_transactions
    group by created_month, account
),

published as (
    select
        loaded.word as word,
        loaded."partition" as "partition",
        case
            when scopes.member = '' then loaded.loaded_at
            else loaded.delivered_at
        end as delivered_at,
        scopes.member as member,
        scopes.lookback_days as lookback_days,
        cast(
            case
                when length(loaded."partition") = 7 then concat(loaded."partition", '-01')
                else substring(loaded."partition", 1, 10)
            end as date
        ) as first_day,
        length(loaded."partition") = 7 as is_month
    from raw_partitions as loaded
    inner join scopes on loaded.word = scopes.word
),

moments as (
    select word, "partition", member, read_at
    from readings
    union all
    select published.word, published."partition", published.member, published.delivered_at
    from published
    where (published.word, published."partition") not in (
        select (word, "partition") from readings
    )
        and (
            published.member = ''
            or (published.word, published."partition", published.member) in (
                select (word, "partition", member) from named
            )
        )
),

last_read as (
    select word, "partition", member, max(read_at) as read_at, 1 as is_read
    from moments
    group by word, "partition", member
),

compared as (
    select
        published.word as word,
        published."partition" as "partition",
        published.member as member,
        case when last_read.is_read = 1 then last_read.read_at end as read_at,
        cast(
            case
                when is_month then first_day + interval 1 month
                else first_day + interval 1 day
            end as date
        ) + lookback_days as final_from
    from published
    left join last_read
        on published.word = last_read.word
        and published."partition" = last_read."partition"
        and published.member = last_read.member
)

select
    word,
    "partition",
    member,
    read_at
from compared
where read_at is null
    or (read_at < final_from and read_at < now() - interval 3 day)
order by word, "partition", member
