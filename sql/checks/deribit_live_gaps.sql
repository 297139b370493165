-- one row per run of missing numbers among Deribit's live trades that is older than a minute
-- The collector asks for what is missing within seconds. What Deribit itself does not have stays
-- here until the batch has proved the day.
with numbered as (
    select
        currency,
        instrument_name,
        trade_seq,
        traded_at,
        x_missing_before,
        nullif(
            max(trade_seq) over (
                partition by instrument_name
                order by trade_seq
                rows between 1 preceding and 1 preceding
            ),
            0
        ) as previous_seq
    from trades
    where x_partition in (select trade_date from deribit__live_trades)
)

select
    currency,
    instrument_name,
    previous_seq + 1 as first_seq,
    trade_seq - x_missing_before - 1 as last_seq,
    traded_at as before_trade_at
from numbered
where trade_seq > previous_seq + 1 + x_missing_before
    and traded_at < now() - interval 1 minute
order by currency, instrument_name, first_seq
