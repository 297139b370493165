-- Stripe: the ledger as Stripe gives it, and normalised. Twin: pipelines/normalize/stripe.py
-- Money is an integer of the currency's minor unit: lookups/stripe_currencies.csv has exponents

-- one row per balance transaction; only the fields of the allow-list, no personal data
create table if not exists stripe__balance_transactions (
    created_month String comment 'The partition: the month of creation (UTC), such as 2026-10.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'balance transactions.',
    -- text
    account LowCardinality(Nullable(String)),
    id Nullable(String),
    source Nullable(String),
    type LowCardinality(Nullable(String)),
    reporting_category LowCardinality(Nullable(String)),
    balance_type LowCardinality(Nullable(String)),
    status LowCardinality(Nullable(String)),
    -- seconds since 1970 (UTC)
    created Nullable(Int64),
    available_on Nullable(Int64),
    -- minor units of the settlement currency
    currency LowCardinality(Nullable(String)),
    amount Nullable(Int64),
    fee Nullable(Int64),
    net Nullable(Int64),
    exchange_rate Nullable(Float64)
)
engine = MergeTree
partition by created_month
order by ()
comment 'Stripe''s balance transactions as delivered; a month is replaced whole.';

-- one row per balance transaction
create table if not exists normalized_stripe (
    -- what
    transaction_id String comment 'Stripe''s id of the balance transaction.',
    source_id Nullable(String) comment 'The charge, refund, payout … that made it.',
    account LowCardinality(String) comment 'The account, by its name in the configuration.',
    -- when (UTC)
    created_at DateTime64(6, 'UTC') comment 'When it was made.',
    activity_date Date32 comment 'UTC date of created_at.',
    available_date Nullable(Date32) comment 'UTC date on which its net is available.',
    status LowCardinality(Nullable(String)) comment 'available or pending.',
    -- which
    class LowCardinality(String) comment
    'revenue, contra, dispute, fee, tax, movement; unclassified when its category is unknown.',
    reporting_category LowCardinality(Nullable(String))
        comment 'Stripe''s; made of type where Stripe gives none.',
    type LowCardinality(Nullable(String)) comment 'Stripe''s kind of transaction.',
    -- money, in currency
    currency LowCardinality(String) comment 'Settlement currency, ISO 4217.',
    gross Nullable(Decimal(38, 9)) comment 'Signed, before fees; NULL without a known exponent.',
    fee Nullable(Decimal(38, 9)) comment 'What Stripe keeps of it.',
    net Nullable(Decimal(38, 9)) comment 'gross - fee: the change of the balance.',
    -- ours
    x_source LowCardinality(String) comment 'stripe: the source''s word.',
    x_partition String comment 'The partition that is replaced whole, such as 2026-10.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.'
)
engine = MergeTree
partition by x_partition
order by (activity_date, account, transaction_id)
comment 'Stripe''s ledger, normalised; a month is replaced whole. Twin: normalize/stripe.py.';

-- one row per balance transaction
create materialized view if not exists normalize_stripe to normalized_stripe as
with source as (
    select
        *,
        coalesce(
            nullIf(reporting_category, ''),
            nullIf(
                transform(
                    ifNull(type, ''), {stripe_types:type}, {stripe_types:reporting_category}, ''
                ),
                ''
            )
        ) as category,
        -- what one minor unit is worth; an unknown currency gives NULL
        transform(
            upper(ifNull(currency, '')), {stripe_currencies:currency},
            {stripe_currencies:exponent}, ''
        ) as exponent,
        multiIf(
            exponent = '0', toDecimal32('1', 3),
            exponent = '2', toDecimal32('0.01', 3),
            exponent = '3', toDecimal32('0.001', 3),
            null
        ) as worth
    from stripe__balance_transactions
)

select
    -- what
    id as transaction_id,
    nullIf(source, '') as source_id,
    account,
    -- when (UTC)
    toDateTime64(created, 6, 'UTC') as created_at,
    toDate32(toDateTime64(created, 6, 'UTC'), 'UTC') as activity_date,
    toDate32(toDateTime64(available_on, 6, 'UTC'), 'UTC') as available_date,
    nullIf(status, '') as status,
    -- which
    transform(
        ifNull(category, ''), {stripe_categories:reporting_category},
        {stripe_categories:class}, 'unclassified'
    ) as class,
    category as reporting_category,
    nullIf(type, '') as type,
    -- money, in currency
    upper(currency) as currency,
    toDecimal128(amount, 6) * worth as gross,
    toDecimal128(fee, 6) * worth as fee,
    toDecimal128(net, 6) * worth as net,
    -- ours
    'stripe' as x_source,
    created_month as x_partition,
    x_fingerprint,
    x_dlt_load_id
from source;
