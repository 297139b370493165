-- one row per run of sequence numbers that Deribit did not deliver
-- made per partition of deribit
select
    trade_date,
    currency,
    instrument_name,
    trade_seq - x_missing_before as first_seq,
    trade_seq - 1 as last_seq,
    x_missing_before as missing,
    traded_at as before_trade_at,
    x_partition
from normalized_deribit
where x_missing_before > 0
