-- ClickHouse Cloud: usage cost as delivered, and normalised.
-- Twin: providers/clickhouse_cloud/normalize.py

-- one row per day, entity and meter
create table if not exists clickhouse_cloud__usage_cost (
    {columns:clickhouse_cloud__usage_cost}
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
