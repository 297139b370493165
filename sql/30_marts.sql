-- the marts: what readers query. Twin: pipelines/tables/linked.py
-- those that are computed from others stand in marts/, one portable select each

-- one row per cost line of every cloud
-- Every column by its name: while a migration rebuilds one table, the other is as it was.
create or replace view costs as
select {cost_columns} from normalized_aws
union all
select {cost_columns} from normalized_gcp;

-- one row per trade on Deribit
create or replace view trades as
select * from normalized_deribit;

-- one row per partition and delivery that readers read
create or replace view published_partitions as
select
    x_source as word,
    x_partition as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from normalized_aws
group by x_source, x_partition, x_fingerprint
union all
select
    x_source as word,
    x_partition as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from normalized_gcp
group by x_source, x_partition, x_fingerprint
union all
select
    x_source as word,
    x_partition as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from normalized_stripe
group by x_source, x_partition, x_fingerprint
union all
select
    'stripe_balances' as word,
    read_date as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from stripe__balances
group by read_date, x_fingerprint
union all
select
    'stripe_products' as word,
    "listing" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from stripe__products
group by "listing", x_fingerprint
union all
select
    'stripe_prices' as word,
    "listing" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from stripe__prices
group by "listing", x_fingerprint
union all
select
    'stripe_subscriptions' as word,
    "listing" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from stripe__subscriptions
group by "listing", x_fingerprint
union all
select
    'stripe_invoices' as word,
    "listing" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from stripe__invoices
group by "listing", x_fingerprint
union all
select
    x_source as word,
    x_partition as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from normalized_fx
group by x_source, x_partition, x_fingerprint
union all
select
    x_source as word,
    x_partition as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from normalized_deribit
group by x_source, x_partition, x_fingerprint
union all
select
    'deribit_instruments' as word,
    "listing" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from deribit__instruments
group by "listing", x_fingerprint
union all
select
    'deribit_volatility_index' as word,
    "month" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from deribit__volatility_index
group by "month", x_fingerprint
union all
select
    'deribit_funding_rates' as word,
    "month" as "partition",
    x_fingerprint as fingerprint,
    toInt64(count()) as "rows"
from deribit__funding_rates
group by "month", x_fingerprint;

-- one row per loaded raw partition; one that the provider emptied has no rows left in raw
create or replace view raw_partitions as
with loaded as (
    select
        'aws' as word,
        billing_period as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from aws_costs__cur
    group by billing_period, x_fingerprint
    union all
    select
        'gcp' as word,
        export_date as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from gcp_costs__billing_export
    group by export_date, x_fingerprint
    union all
    select
        'stripe' as word,
        created_month as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__balance_transactions
    group by created_month, x_fingerprint
    union all
    select
        'stripe_balances' as word,
        read_date as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__balances
    group by read_date, x_fingerprint
    union all
    select
        'stripe_products' as word,
        "listing" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__products
    group by "listing", x_fingerprint
    union all
    select
        'stripe_prices' as word,
        "listing" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__prices
    group by "listing", x_fingerprint
    union all
    select
        'stripe_subscriptions' as word,
        "listing" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__subscriptions
    group by "listing", x_fingerprint
    union all
    select
        'stripe_invoices' as word,
        "listing" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from stripe__invoices
    group by "listing", x_fingerprint
    union all
    select
        'fx' as word,
        rate_year as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from fx__ecb_rates
    group by rate_year, x_fingerprint
    union all
    select
        'deribit' as word,
        trade_date as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from deribit__trades
    group by trade_date, x_fingerprint
    union all
    select
        'deribit_instruments' as word,
        "listing" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from deribit__instruments
    group by "listing", x_fingerprint
    union all
    select
        'deribit_volatility_index' as word,
        "month" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from deribit__volatility_index
    group by "month", x_fingerprint
    union all
    select
        'deribit_funding_rates' as word,
        "month" as "partition",
        x_fingerprint as fingerprint,
        toInt64(count()) as "rows",
        max(x_delivered_at) as delivered_at,
        max(x_dlt_load_id) as load_id
    from deribit__funding_rates
    group by "month", x_fingerprint
),

emptied as (
    select
        word,
        "partition",
        argMax(deliveries.fingerprint, published_at) as fingerprint,
        argMax(deliveries."rows", published_at) as "rows",
        argMax(deliveries.delivered_at, published_at) as delivered_at,
        max(published_at) as loaded_at
    from deliveries
    where (word, "partition") not in (select (word, "partition") from loaded)
    group by word, "partition"
)

select
    word,
    "partition",
    fingerprint,
    "rows",
    delivered_at,
    toDateTime64(toFloat64OrZero(load_id), 6, 'UTC') as loaded_at
from loaded
union all
select
    word,
    "partition",
    fingerprint,
    "rows",
    ifNull(delivered_at, loaded_at) as delivered_at,
    loaded_at
from emptied
where "rows" = 0;
