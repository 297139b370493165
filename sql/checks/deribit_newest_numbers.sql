-- one row per host and Deribit instrument that has newer trades of a loaded day than are published
-- The newest numbers were requested after the trades were loaded, by another method of the API.
with newest as (
    select host, instrument_name, trade_seq, traded_at, trades_partition
    from deribit__newest_numbers
    where trades_partition in (
        select "partition" from raw_partitions
        where word = 'deribit'
    )
),

published as (
    select x_partition, instrument_name, max(trade_seq) as published_seq
    from trades
    where x_fingerprint <> 'live'
    group by x_partition, instrument_name
)

select
    newest.trades_partition as "partition",
    newest.host as host,
    newest.instrument_name as instrument_name,
    newest.trade_seq as newest_seq,
    coalesce(published.published_seq, 0) as published_seq,
    newest.traded_at as traded_at
from newest
left join published
    on
        newest.trades_partition = published.x_partition
        and newest.instrument_name = published.instrument_name
where coalesce(published.published_seq, 0) < newest.trade_seq
order by "partition", host, instrument_name
