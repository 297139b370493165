-- Stripe: the ledger as Stripe gives it, and normalised. Twin: providers/stripe/normalize.py
-- Money is an integer of the currency's minor unit: lookups/stripe_currencies.csv has exponents

-- one row per balance transaction; only the fields of the allow-list, no personal data
create table if not exists stripe__balance_transactions (
    created_month String comment 'The partition: the month of creation (UTC), such as 2026-10.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s content.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When the row was read from Stripe.',
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
    exchange_rate Nullable(Float64),
    -- the parts of the fee, in the same minor units
    fee_stripe Nullable(Int64),
    fee_application Nullable(Int64),
    fee_tax Nullable(Int64)
)
engine = MergeTree
partition by created_month
order by ()
comment 'Stripe''s balance transactions as delivered; a month is replaced whole.';

-- one row per balance transaction
create table if not exists normalized_stripe (
    {columns:normalized_stripe}
)
engine = MergeTree
partition by x_partition
order by (activity_date, account, transaction_id)
comment 'Stripe''s ledger, normalised; a month is replaced whole. Twin: stripe/normalize.py.';

-- one row per balance transaction
create materialized view if not exists normalize_stripe to {target:normalized_stripe} as
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
    from {raw:stripe__balance_transactions}
)

select
    -- copied, by pipelines/providers/stripe/columns.csv
    {copied:stripe/columns},
    -- when (UTC)
    toDateTime64(created, 6, 'UTC') as created_at,
    toDate32(toDateTime64(created, 6, 'UTC'), 'UTC') as activity_date,
    toDate32(toDateTime64(available_on, 6, 'UTC'), 'UTC') as available_date,
    -- which
    transform(
        ifNull(category, ''), {stripe_categories:reporting_category},
        {stripe_categories:class}, 'unclassified'
    ) as class,
    category as reporting_category,
    -- money, in currency
    upper(currency) as currency,
    toDecimal128(amount, 6) * worth as gross,
    toDecimal128(fee, 6) * worth as fee,
    toDecimal128(net, 6) * worth as net,
    -- ours
    created_month as x_partition,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per product that is or was sold, as it is now
create table if not exists stripe__products (
    {columns:stripe__products}
)
engine = MergeTree
partition by listing
order by ()
comment 'Products of Stripe.';

-- one row per price of a product, as it is now
create table if not exists stripe__prices (
    {columns:stripe__prices}
)
engine = MergeTree
partition by listing
order by ()
comment 'Prices of Stripe, in minor units.';

-- one row per subscription, running or ended, as it is now
create table if not exists stripe__subscriptions (
    {columns:stripe__subscriptions}
)
engine = MergeTree
partition by listing
order by ()
comment 'Subscriptions of Stripe, without customers.';

-- one row per invoice, as it is now
create table if not exists stripe__invoices (
    {columns:stripe__invoices}
)
engine = MergeTree
partition by listing
order by ()
comment 'Invoices of Stripe, in minor units, without customers.';

-- one row per payout to a bank account or a card, as it is now
create table if not exists stripe__payouts (
    {columns:stripe__payouts}
)
engine = MergeTree
partition by listing
order by ()
comment 'Payouts of Stripe, in minor units, without bank accounts.';

-- one row per balance transaction of an automatic payout, the payout's own among them
create table if not exists stripe__payout_transactions (
    {columns:stripe__payout_transactions}
)
engine = MergeTree
partition by payout_month
order by ()
comment 'Transactions of Stripe''s payouts; the payouts of a month are replaced whole.';

-- one row per account and currency: Stripe's own balance at the last look of a day
create table if not exists stripe__balances (
    {columns:stripe__balances}
)
engine = MergeTree
partition by read_date
order by ()
comment 'Balances of Stripe, for the check stripe_balance.';

-- one row per account and currency of a final month: what Stripe has of it when asked again
create table if not exists stripe__month_totals (
    {columns:stripe__month_totals}
)
engine = MergeTree
partition by asked_month
order by ()
comment 'Months of Stripe asked again, for the check stripe_month_totals.';
