-- Stripe: the ledger as Stripe gives it, and normalised. Twin: providers/stripe/normalize.py
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
comment 'Stripe''s ledger, normalised; a month is replaced whole. Twin: stripe/normalize.py.';

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

-- one row per product that is or was sold, as it is now
create table if not exists stripe__products (
    listing String comment 'The partition: the account.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'The kind of delivery.',
    account LowCardinality(Nullable(String)),
    id Nullable(String),
    created Nullable(Int64),
    active Nullable(Bool),
    name Nullable(String),
    type LowCardinality(Nullable(String)),
    default_price Nullable(String),
    tax_code LowCardinality(Nullable(String)),
    unit_label LowCardinality(Nullable(String)),
    updated Nullable(Int64)
)
engine = MergeTree
partition by listing
order by ()
comment 'Products of Stripe.';

-- one row per price of a product, as it is now
create table if not exists stripe__prices (
    listing String comment 'The partition: the account.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'The kind of delivery.',
    account LowCardinality(Nullable(String)),
    id Nullable(String),
    created Nullable(Int64),
    active Nullable(Bool),
    product Nullable(String),
    currency LowCardinality(Nullable(String)),
    unit_amount Nullable(Int64),
    unit_amount_decimal Nullable(String),
    type LowCardinality(Nullable(String)),
    billing_scheme LowCardinality(Nullable(String)),
    tax_behavior LowCardinality(Nullable(String)),
    "interval" LowCardinality(Nullable(String)),
    interval_count Nullable(Int64),
    usage_type LowCardinality(Nullable(String))
)
engine = MergeTree
partition by listing
order by ()
comment 'Prices of Stripe, in minor units.';

-- one row per subscription, running or ended, as it is now
create table if not exists stripe__subscriptions (
    listing String comment 'The partition: the account.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'The kind of delivery.',
    account LowCardinality(Nullable(String)),
    id Nullable(String),
    created Nullable(Int64),
    status LowCardinality(Nullable(String)),
    currency LowCardinality(Nullable(String)),
    collection_method LowCardinality(Nullable(String)),
    start_date Nullable(Int64),
    trial_start Nullable(Int64),
    trial_end Nullable(Int64),
    billing_cycle_anchor Nullable(Int64),
    cancel_at_period_end Nullable(Bool),
    cancel_at Nullable(Int64),
    canceled_at Nullable(Int64),
    ended_at Nullable(Int64),
    latest_invoice Nullable(String),
    prices Nullable(String),
    quantities Nullable(String)
)
engine = MergeTree
partition by listing
order by ()
comment 'Subscriptions of Stripe, without customers.';

-- one row per invoice, as it is now
create table if not exists stripe__invoices (
    listing String comment 'The partition: the account.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'The kind of delivery.',
    account LowCardinality(Nullable(String)),
    id Nullable(String),
    created Nullable(Int64),
    status LowCardinality(Nullable(String)),
    currency LowCardinality(Nullable(String)),
    billing_reason LowCardinality(Nullable(String)),
    collection_method LowCardinality(Nullable(String)),
    subscription Nullable(String),
    amount_due Nullable(Int64),
    amount_paid Nullable(Int64),
    amount_remaining Nullable(Int64),
    subtotal Nullable(Int64),
    total Nullable(Int64),
    attempt_count Nullable(Int64),
    period_start Nullable(Int64),
    period_end Nullable(Int64),
    due_date Nullable(Int64),
    effective_at Nullable(Int64)
)
engine = MergeTree
partition by listing
order by ()
comment 'Invoices of Stripe, in minor units, without customers.';

-- one row per account and currency: Stripe's own balance at the last look of a day
create table if not exists stripe__balances (
    read_date String comment 'The partition: the UTC day.',
    x_fingerprint LowCardinality(String) comment 'The content this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When it was read from Stripe.',
    x_form LowCardinality(String) comment 'The kind of delivery.',
    account LowCardinality(Nullable(String)) comment 'By its name in the configuration.',
    currency LowCardinality(Nullable(String)) comment 'As Stripe writes it: usd.',
    available Nullable(Int64) comment 'Minor units that can be paid out.',
    pending Nullable(Int64) comment 'Minor units on their way.',
    as_of Nullable(DateTime64(6, 'UTC')) comment 'When the newest transaction in it was made.',
    as_of_second Nullable(Int64) comment 'The same, in seconds since 1970.',
    as_of_month Nullable(String) comment 'The month of it.',
    first_month Nullable(String) comment 'The month of the oldest transaction of all accounts.'
)
engine = MergeTree
partition by read_date
order by ()
comment 'Balances of Stripe, for the check stripe_balance.';
