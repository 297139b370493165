-- Deribit: raw trades as delivered, and what is published. Twin: providers/deribit/normalize.py
-- Names of instruments are parsed as pipelines/providers/deribit/names.py does.
-- A (day, currency) is one partition, and the projection lists what is published without a scan.

-- one row per trade, as Deribit delivers it
create table if not exists deribit__trades (
    trade_date String comment 'The partition: UTC day and currency, such as 2026-10-31.BTC.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'End of the day, or when the row was read.',
    x_form LowCardinality(String) default 'trades' comment 'Layout of the delivery.',
    trade_id String comment 'Deribit''s id, unique per currency.',
    trade_seq Int64 comment 'Number within the instrument, from 1.',
    instrument_name LowCardinality(String) comment 'The instrument.',
    timestamp Int64 comment 'Milliseconds since 1970.',
    direction LowCardinality(String) comment 'The taker''s side: buy or sell.',
    tick_direction Nullable(Int64) comment '0 plus, 1 zero-plus, 2 minus, 3 zero-minus.',
    price Nullable(Float64) comment 'Price as quoted.',
    amount Nullable(Float64) comment 'Size in USD or coins.',
    contracts Nullable(Float64) comment 'Number of contracts; null in early history.',
    mark_price Nullable(Float64) comment 'The mark price; null in early history.',
    index_price Nullable(Float64) comment 'The index price.',
    iv Nullable(Float64) comment 'Implied volatility of an option, in percent.',
    liquidation LowCardinality(Nullable(String)) comment 'Liquidated side: M, T or MT (both).',
    block_trade_id Nullable(String) comment 'Id of the block trade.',
    block_trade_leg_count Nullable(Int64) comment 'Number of legs of the block trade.',
    combo_id LowCardinality(Nullable(String)) comment 'Id of the combo.',
    combo_trade_id Nullable(String) comment 'Id of the combo''s own trade.',
    block_rfq_id Nullable(Int64) comment 'Id of the block request for quotes.',
    x_missing_before Nullable(Int64) comment 'Number of missing numbers right before.',
    x_missing_tries Nullable(Int64) comment 'How often the missing numbers were requested.',
    projection deliveries (
        select
            trade_date,
            x_fingerprint,
            max(x_delivered_at) as delivered_at,
            max(x_dlt_load_id) as load_id,
            count() as "rows"
        group by trade_date, x_fingerprint
    )
)
engine = MergeTree
partition by trade_date
order by (instrument_name, trade_seq)
comment 'Raw Deribit trades.';

-- one row per trade
create table if not exists normalized_deribit (
    {columns:normalized_deribit},
    projection deliveries (
        select
            x_source,
            x_partition,
            x_fingerprint,
            count() as "rows"
        group by x_source, x_partition, x_fingerprint
    )
)
engine = MergeTree
partition by x_partition
order by (instrument_name, trade_seq)
comment 'Deribit trades, normalised.';

-- one row per trade, in the shape of `trades`
create materialized view if not exists normalize_deribit to {target:normalized_deribit} as
with source as (
    select
        * except (trade_date, price, amount, contracts, mark_price, index_price, iv),
        trade_date as day_and_currency,
        {number:price} as price,
        {number:amount} as amount,
        {number:contracts} as contracts,
        {number:mark_price} as mark_price,
        {number:index_price} as index_price,
        {number:iv} as iv,
        -- base, quote, what follows the first dash
        extractGroups(
            toString(instrument_name), '^([A-Z0-9]+)(?:_([A-Z0-9]+))?(?:-(.+))?$'
        ) as named,
        named[3] as rest,
        extractGroups(
            rest,
            concat(
                '^([1-9]|[12][0-9]|3[01])(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)',
                '([0-9][0-9])(?:-([0-9]+(?:d[0-9]+)?)-([CP]))?$'
            )
        ) as dated,
        toInt32OrZero(dated[1]) as expiry_day,
        intDiv(position('JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC', dated[2]) + 2, 3) as expiry_month,
        makeDate32(2000 + toInt32OrZero(dated[3]), expiry_month, expiry_day) as expiry_date,
        toDayOfMonth(expiry_date) = expiry_day as is_day,
        multiIf(
            empty(named), 'unclassified',
            rest = '' and endsWith(instrument_name, '-'), 'unclassified',
            rest = '' and named[2] != '', 'spot',
            rest = '', 'unclassified',
            rest = 'PERPETUAL', 'perpetual',
            notEmpty(dated) and not is_day, 'unclassified',
            notEmpty(dated) and dated[4] = '', 'future',
            notEmpty(dated), 'option',
            match(
                rest,
                concat(
                    '^FS-(?:(?:[1-9]|[12][0-9]|3[01])',
                    '(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[0-9][0-9]|PERP)',
                    '_(?:(?:[1-9]|[12][0-9]|3[01])',
                    '(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[0-9][0-9]|PERP)$'
                )
            ), 'future_combo',
            match(rest, '^FS[0-9]*-'), 'unclassified',
            match(rest, '^[A-Z][A-Z0-9]{1,7}-.+$'), 'option_combo',
            'unclassified'
        ) as book,
        book != 'unclassified' as is_known,
        book in ('option', 'option_combo') as is_optional,
        named[2] != '' as has_quote,
        multiIf(
            not is_known, null, has_quote, named[2], is_optional, named[1], 'USD'
        ) as quote,
        ifNull(quote in ('USD', 'USDC', 'USDT'), false) as is_in_usd,
        if(book = 'option', toFloat64OrNull(replaceOne(dated[4], 'd', '.')), null) as strike_price
    from {raw:deribit__trades}
)

select
    -- what
    trade_id,
    trade_seq,
    instrument_name,
    book as kind,
    splitByChar('.', day_and_currency)[2] as currency,
    if(is_known, named[1], null) as base_currency,
    quote as quote_currency,
    -- when (UTC)
    fromUnixTimestamp64Milli(timestamp, 'UTC') as traded_at,
    toDate32(fromUnixTimestamp64Milli(timestamp, 'UTC'), 'UTC') as trade_date,
    -- how
    direction,
    tick_direction,
    price,
    multiIf(is_in_usd, price, quote = named[1], price * index_price, null) as price_usd,
    amount,
    contracts,
    multiIf(
        not is_known, null,
        not has_quote and quote = 'USD', amount,
        not has_quote, amount * index_price,
        not is_in_usd, null,
        book in ('perpetual', 'future', 'spot'), amount * price,
        amount * index_price
    ) as notional_usd,
    mark_price,
    index_price,
    iv,
    nullIf(liquidation, '') as liquidation,
    -- blocks and combos
    nullIf(block_trade_id, '') as block_trade_id,
    block_trade_leg_count,
    nullIf(combo_id, '') as combo_id,
    nullIf(combo_trade_id, '') as combo_trade_id,
    block_rfq_id,
    -- the instrument
    if(is_known, splitByChar('-', toString(instrument_name))[1], null) as underlying,
    if(
        book in ('option', 'future'),
        addHours(toDateTime64(expiry_date, 6, 'UTC'), 8),
        null
    ) as expiry,
    strike_price as strike,
    multiIf(
        book != 'option', null, dated[5] = 'C', 'call', 'put'
    ) as option_type,
    if(strike_price > 0, index_price / strike_price, null) as moneyness,
    if(is_known, has_quote, null) as is_linear,
    -- ours
    ifNull(x_missing_before, 0) as x_missing_before,
    'deribit' as x_source,
    day_and_currency as x_partition,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per instrument, as Deribit lists it
create table if not exists deribit__instruments (
    {columns:deribit__instruments}
)
engine = MergeTree
partition by listing
order by instrument_name
comment 'Instruments of Deribit.';

-- one row per moment of the volatility index DVOL
create table if not exists deribit__volatility_index (
    {columns:deribit__volatility_index}
)
engine = MergeTree
partition by "month"
order by (currency, measured_at)
comment 'The volatility index DVOL, by the hour.';

-- one row per perpetual and hour
create table if not exists deribit__funding_rates (
    {columns:deribit__funding_rates}
)
engine = MergeTree
partition by "month"
order by (instrument_name, measured_at)
comment 'Funding of perpetuals, by the hour.';

-- one row per host and instrument: its newest number at the end of the last day that is over
create table if not exists deribit__newest_numbers (
    {columns:deribit__newest_numbers}
)
engine = MergeTree
partition by listing
order by (host, instrument_name)
comment 'The newest sequence numbers that each host of Deribit has.';
