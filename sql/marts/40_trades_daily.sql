-- one row per UTC day, currency and instrument, and one per underlying, expiry and kind
-- made per partition of deribit
-- Prices are NULL where a row has more than one instrument: strikes do not mix.
-- Within an instrument trade_seq is the order of the trades.
with counted as (
    select
        *,
        case when option_type = 'call' then amount when kind = 'option' then 0 end as call_amount,
        case when option_type = 'put' then amount when kind = 'option' then 0 end as put_amount,
        case when iv is not null then amount end as iv_amount
    from normalized_deribit
),

by_instrument as (
    select
        trade_date,
        currency,
        instrument_name,
        underlying,
        expiry,
        kind,
        min_by(price, trade_seq) as first_price,
        max(price) as highest,
        min(price) as lowest,
        max_by(price, trade_seq) as last_price,
        sum(price * amount) as turnover,
        sum(amount) as volume,
        sum(notional_usd) as notional_usd,
        count(*) as trades,
        sum(call_amount) as call_volume,
        sum(put_amount) as put_volume,
        sum(iv * iv_amount) as iv_turnover,
        sum(iv_amount) as iv_volume,
        x_partition
    from counted
    group by trade_date, currency, instrument_name, underlying, expiry, kind, x_partition
),

levels as (
    select
        trade_date,
        currency,
        'instrument' as level,
        instrument_name,
        underlying,
        expiry,
        kind,
        first_price,
        highest,
        lowest,
        last_price,
        turnover,
        volume,
        notional_usd,
        trades,
        call_volume,
        put_volume,
        iv_turnover,
        iv_volume,
        x_partition
    from by_instrument
    union all
    select
        trade_date,
        currency,
        'expiry' as level,
        null as instrument_name,
        underlying,
        expiry,
        kind,
        case when count(*) = 1 then max(first_price) end as first_price,
        case when count(*) = 1 then max(highest) end as highest,
        case when count(*) = 1 then max(lowest) end as lowest,
        case when count(*) = 1 then max(last_price) end as last_price,
        case when count(*) = 1 then max(turnover) end as turnover,
        sum(volume) as volume,
        sum(notional_usd) as notional_usd,
        sum(trades) as trades,
        sum(call_volume) as call_volume,
        sum(put_volume) as put_volume,
        sum(iv_turnover) as iv_turnover,
        sum(iv_volume) as iv_volume,
        x_partition
    from by_instrument
    group by trade_date, currency, underlying, expiry, kind, x_partition
)

select
    trade_date,
    currency,
    level,
    instrument_name,
    underlying,
    expiry,
    kind,
    first_price as open,
    highest as high,
    lowest as low,
    last_price as close,
    turnover / nullif(volume, 0) as vwap,
    volume,
    notional_usd,
    trades,
    call_volume,
    put_volume,
    put_volume / nullif(call_volume, 0) as put_call_ratio,
    iv_turnover / nullif(iv_volume, 0) as iv_vwap,
    x_partition
from levels
