-- one row per instrument and day whose sequence numbers have a gap that is not a known hole
-- Numbers continue from day to day while every day between is loaded: such days are one island.
with loaded as (
    select
        substring("partition", 12) as currency,
        cast(substring("partition", 1, 10) as date) as trade_date
    from raw_partitions
    where word = 'deribit'
),

numbered as (
    select
        currency,
        trade_date,
        date_diff('day', cast('2016-01-01' as date), trade_date)
        - row_number() over (partition by currency order by trade_date) as island
    from loaded
),

by_day as (
    select
        currency,
        trade_date,
        instrument_name,
        min(trade_seq) as first_seq,
        max(trade_seq) as last_seq,
        count(distinct trade_seq) as numbers,
        sum(x_missing_before) as missing,
        min_by(x_missing_before, trade_seq) as missing_first
    from trades
    where x_fingerprint <> 'live'
    group by currency, trade_date, instrument_name
),

ordered as (
    select
        by_day.currency as currency,
        by_day.trade_date as trade_date,
        instrument_name,
        first_seq,
        last_seq,
        missing_first,
        last_seq - first_seq + 1 - numbers - (missing - missing_first) as lacking_within,
        nullif(
            max(last_seq) over (
                partition by by_day.currency, instrument_name, island
                order by by_day.trade_date
                rows between 1 preceding and 1 preceding
            ),
            0
        ) as previous_seq
    from by_day
    inner join numbered
        on by_day.currency = numbered.currency and by_day.trade_date = numbered.trade_date
),

compared as (
    select
        *,
        coalesce(first_seq - previous_seq - 1 - missing_first, 0) as lacking_before
    from ordered
)

select
    currency,
    trade_date,
    instrument_name,
    first_seq,
    last_seq,
    lacking_within,
    lacking_before
from compared
where lacking_within <> 0 or lacking_before <> 0
order by currency, trade_date, instrument_name
