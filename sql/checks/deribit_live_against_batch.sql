-- one row per live trade of a proven Deribit day that is not in the batch, or with other figures
-- The batch comes from Deribit's history, live trades from its websocket: each proves the other.
with live as (
    select trade_date as x_partition, instrument_name, trade_seq, price, amount
    from deribit__live_trades
    where trade_date in (
        select x_partition from normalized_deribit
        where x_fingerprint like 'closed-%'
        group by x_source, x_partition, x_fingerprint
    )
),

batch as (
    select x_partition, instrument_name, trade_seq, price, amount
    from normalized_deribit
    where x_partition in (select trade_date from deribit__live_trades)
)

select
    live.x_partition as "partition",
    live.instrument_name as instrument_name,
    live.trade_seq as trade_seq,
    live.price as live_price,
    batch.price as batch_price,
    live.amount as live_amount,
    batch.amount as batch_amount
from live
left join batch
    on
        live.x_partition = batch.x_partition
        and live.instrument_name = batch.instrument_name
        and live.trade_seq = batch.trade_seq
where coalesce(batch.trade_seq, 0) <> live.trade_seq
    or coalesce(live.price = batch.price, live.price is null and batch.price is null) = false
    or coalesce(live.amount = batch.amount, live.amount is null and batch.amount is null) = false
order by "partition", instrument_name, trade_seq
