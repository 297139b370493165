-- one row per Deribit trade id, or sequence number of an instrument, published more than once
select
    currency,
    instrument_name,
    trade_id,
    trade_seq,
    count(*) as times
from trades
group by currency, instrument_name, trade_id, trade_seq
having count(*) > 1
order by currency, instrument_name, trade_seq
