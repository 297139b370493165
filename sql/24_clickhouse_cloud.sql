-- ClickHouse Cloud: usage cost as delivered, and normalised.
-- Twin: providers/clickhouse_cloud/normalize.py

-- one row per day, entity and meter
create table if not exists clickhouse_cloud__usage_cost (
    month String comment 'The partition: the month of usage (UTC), such as 2026-10.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When the row was read.',
    x_form LowCardinality(String) comment 'usage cost.',
    organization_id LowCardinality(Nullable(String)) comment 'Id of the organisation.',
    organization_name LowCardinality(Nullable(String)) comment 'Name of the organisation.',
    usage_date Nullable(Date32) comment 'UTC day of the usage.',
    data_warehouse_id LowCardinality(Nullable(String)) comment 'Id of the data warehouse.',
    service_id LowCardinality(Nullable(String)) comment 'Id of the service, where it is of one.',
    entity_type LowCardinality(Nullable(String)) comment 'datawarehouse, service or clickpipe.',
    entity_id LowCardinality(Nullable(String)) comment 'Id of what caused the cost.',
    entity_name LowCardinality(Nullable(String)) comment 'Name of what caused the cost.',
    meter LowCardinality(Nullable(String)) comment 'Entity type and metric, as service.computeCHC.',
    amount_chc Nullable(Float64) comment 'Cost in ClickHouse Credits.',
    locked Nullable(Bool) comment 'Whether the record is immutable.',
    grand_total_chc Nullable(Float64) comment 'Cost of the organisation''s month, as the API sums.'
)
engine = MergeTree
partition by month
order by ()
comment 'ClickHouse Cloud''s usage cost as delivered; a month is replaced whole.';

-- one row per day, entity and meter, in the cost shape
create table if not exists normalized_clickhouse_cloud (
    {columns:normalized_clickhouse_cloud}
)
engine = MergeTree
partition by x_partition
order by (x_partition, ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''))
comment 'ClickHouse Cloud''s cost, normalised. Twin: providers/clickhouse_cloud/normalize.py.';

-- one row per day, entity and meter; a credit (CHC) is one USD by list
create materialized view if not exists normalize_clickhouse_cloud
to {target:normalized_clickhouse_cloud} as
with source as (
    select *
    from {raw:clickhouse_cloud__usage_cost}
)

select
    -- copied, by pipelines/providers/clickhouse_cloud/columns.csv
    {copied:clickhouse_cloud/columns},
    -- when (UTC)
    toDateTime64(toStartOfMonth(usage_date), 6, 'UTC') as billing_period_start,
    addMonths(billing_period_start, 1) as billing_period_end,
    toDateTime64(usage_date, 6, 'UTC') as charge_period_start,
    addDays(charge_period_start, 1) as charge_period_end,
    -- how much: the API has costs only
    cast(null as Nullable(Float64)) as consumed_quantity,
    -- tags: the API has none of a service here
    cast(map(), 'Map(LowCardinality(String), String)') as tags,
    cast(null as Nullable(String)) as {tag_column},
    -- ours
    usage_date as x_usage_date,
    month as x_partition,
    0.0 as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    1.0 as x_currency_rate_usd,
    billed_cost as x_billed_cost_usd,
    billed_cost as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;
