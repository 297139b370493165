-- one row per currency whose newest live Deribit trade was written more than ten minutes ago
-- A stream that wrote nothing for a week was switched off, and is not named any more.
select
    currency,
    max(timestamp) as newest_trade_ms,
    max(written_at) as newest_insert
from deribit__live_trades
group by currency
having max(written_at) < now() - interval 10 minute
    and max(written_at) > now() - interval 7 day
order by currency
