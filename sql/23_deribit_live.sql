-- Deribit's live trades: what the sink reads from Kafka. Contract: configs/registry/*.avsc
-- A row carries its place in Kafka, so rows and offsets are one insert, which is one part: the
-- partition key has one value per insert. Nothing else may split it.

-- one row per trade; a trade that came twice is merged, and `trades` reads it once
create table if not exists deribit__live_trades (
    instrument_name LowCardinality(String) comment 'The instrument.',
    trade_seq Int64 comment 'Number within the instrument, from 1.',
    trade_id String comment 'Deribit''s id, unique per currency.',
    timestamp Int64 comment 'Milliseconds since 1970.',
    currency LowCardinality(String) comment 'Settlement currency.',
    direction LowCardinality(String) comment 'The taker''s side: buy or sell.',
    tick_direction Nullable(Int64) comment '0 plus, 1 zero-plus, 2 minus, 3 zero-minus.',
    price Nullable(Float64) comment 'Price as quoted.',
    amount Nullable(Float64) comment 'Size in USD or coins.',
    contracts Nullable(Float64) comment 'Number of contracts.',
    mark_price Nullable(Float64) comment 'The mark price.',
    index_price Nullable(Float64) comment 'The index price.',
    iv Nullable(Float64) comment 'Implied volatility of an option, in percent.',
    liquidation LowCardinality(Nullable(String)) comment 'Liquidated side: M, T or MT (both).',
    block_trade_id Nullable(String) comment 'Id of the block trade.',
    block_trade_leg_count Nullable(Int64) comment 'Number of legs of the block trade.',
    combo_id LowCardinality(Nullable(String)) comment 'Id of the combo.',
    combo_trade_id Nullable(String) comment 'Id of the combo''s own trade.',
    block_rfq_id Nullable(Int64) comment 'Id of the block request for quotes.',
    received_at Int64 comment 'When the collector had it, in milliseconds since 1970.',
    origin LowCardinality(String) comment 'websocket, or repair: asked for over HTTP.',
    kafka_topic LowCardinality(String) default '' comment 'The topic.',
    kafka_partition Int32 default -1 comment 'The partition of the topic.',
    kafka_offset Int64 default -1 comment 'The record''s offset in that partition.',
    written_at DateTime64(3, 'UTC') default now64(3, 'UTC') comment 'When it was inserted.',
    trade_date String
    default concat(
        toString(toDate(fromUnixTimestamp64Milli(timestamp, 'UTC'), 'UTC')), '.', currency
    )
    comment 'The batch''s partition with this trade: UTC day and currency.',
    x_fingerprint LowCardinality(String) default 'live' comment 'As in deribit__trades.',
    x_dlt_load_id LowCardinality(String) default 'live' comment 'As in deribit__trades.',
    x_missing_before Nullable(Int64) default null comment 'As in deribit__trades.',
    projection offsets (
        select
            kafka_topic,
            kafka_partition,
            max(kafka_offset) as last_offset
        group by kafka_topic, kafka_partition
    )
)
engine = ReplacingMergeTree(kafka_offset)
partition by toDate(written_at, 'UTC')
order by (instrument_name, trade_seq)
settings
    non_replicated_deduplication_window = 1000, deduplicate_merge_projection_mode = 'rebuild'
comment 'Live trades of Deribit, until the batch has proved their day.';

-- one row per record that the sink could not read
create table if not exists deribit__live_dead_letters (
    kafka_topic LowCardinality(String) comment 'The topic.',
    kafka_partition Int32 comment 'The partition of the topic.',
    kafka_offset Int64 comment 'The record''s offset in that partition.',
    reason String comment 'Why it could not be read.',
    record_key String comment 'The record''s key.',
    failed_at DateTime64(3, 'UTC') default now64(3, 'UTC') comment 'When it was read.'
)
engine = ReplacingMergeTree
order by (kafka_topic, kafka_partition, kafka_offset)
comment 'Records in the dead letter topic, with the reason.';
