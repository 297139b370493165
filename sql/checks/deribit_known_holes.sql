-- one row per run of Deribit sequence numbers that stayed missing after retries
-- Load the day again later with --force. Numbers that stay missing, Deribit does not have.
select
    currency,
    instrument_name,
    trade_seq - x_missing_before as first_seq,
    trade_seq - 1 as last_seq,
    traded_at as before_trade_at,
    x_partition
from trades
where x_missing_before > 0
order by currency, instrument_name, first_seq
