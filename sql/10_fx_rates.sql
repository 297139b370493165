-- exchange rates: raw as the ECB publishes them, and normalised. Twin: providers/fx/normalize.py
-- The rates that count, with those of fx_rates.csv, are the mart fx_rates: marts/10_fx_rates.sql.

-- one row per business day and currency, as the ECB publishes it
create table if not exists fx__ecb_rates (
    rate_year String comment 'The partition: the year, such as 2026.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When the newest of its rates was published.',
    x_form LowCardinality(String) comment 'ECB reference rates.',
    rate_date Nullable(Date32),
    currency LowCardinality(Nullable(String)),
    units_per_eur Nullable(Decimal(38, 9))
)
engine = MergeTree
partition by rate_year
order by ()
comment 'The ECB''s reference rates as published; a year is replaced whole.';

-- one row per business day and currency
create table if not exists normalized_fx (
    {columns:normalized_fx}
)
engine = MergeTree
partition by x_partition
order by (currency, rate_date)
comment 'Exchange rates, normalised; a year is replaced whole. Twin: providers/fx/normalize.py.';

-- one row per business day and currency
create materialized view if not exists normalize_fx to {target:normalized_fx} as
with source as (
    select *
    from {raw:fx__ecb_rates}
)

select
    rate_date,
    currency,
    units_per_eur,
    'ECB' as source,
    -- ours
    'fx' as x_source,
    rate_year as x_partition,
    x_fingerprint,
    x_dlt_load_id
from source;
