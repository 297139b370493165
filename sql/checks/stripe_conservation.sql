-- one row per month of Stripe whose published rows differ from its raw rows in number or in sum
-- Sums are in minor units per currency: published amounts differ from them by a power of ten.
with raw as (
    select
        created_month,
        upper(currency) as code,
        count(*) as raw_rows,
        sum(net) as raw_minor
    from stripe__balance_transactions
    group by created_month, upper(currency)
),

published as (
    select
        x_partition as created_month,
        currency,
        count(*) as published_rows,
        coalesce(sum(net), 0) as published_net
    from normalized_stripe
    group by x_partition, currency
),

compared as (
    select
        created_month,
        code as currency,
        raw_rows,
        raw_minor,
        0 as published_rows,
        0 as published_net
    from raw
    union all
    select created_month, currency, 0 as raw_rows, 0 as raw_minor, published_rows, published_net
    from published
),

summed as (
    select
        created_month,
        currency,
        sum(raw_rows) as rows_raw,
        sum(published_rows) as rows_published,
        sum(raw_minor) as minor_raw,
        sum(published_net) as net_published
    from compared
    where created_month in (
        select "partition" from raw_partitions
        where word = 'stripe'
    )
    group by created_month, currency
)

select
    created_month,
    currency,
    rows_raw,
    rows_published,
    minor_raw,
    net_published
from summed
where rows_raw <> rows_published
    or (
        minor_raw <> net_published
        and minor_raw <> net_published * 100
        and minor_raw <> net_published * 1000
    )
order by created_month, currency
