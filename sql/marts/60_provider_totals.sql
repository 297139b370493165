-- one row per source, account, month, kind and part: what the provider itself says it costs
-- Parts add up to the total of their kind. What only a PDF says is in sql/invoices.csv.
with explorer as (
    select
        account,
        "month",
        record_type,
        currency,
        sum(unblended) as unblended,
        sum(net_unblended) as net_unblended,
        sum(net_amortized) as net_amortized,
        cast(max(asked_at) as date) as as_of,
        max(case when estimated then 1 else 0 end) as is_estimated
    from aws_costs__cost_explorer
    group by account, "month", record_type, currency
),

invoiced as (
    select
        account,
        "month",
        invoice_id,
        currency,
        before_tax,
        after_tax - before_tax as tax,
        cast(asked_at as date) as as_of,
        case when estimated then 1 else 0 end as is_estimated
    from aws_costs__invoices
),

exported as (
    select
        billing_account_id as account,
        usage_month,
        currency,
        max_by(micros, row_count) as micros,
        max(asked_on) as as_of
    from gcp_costs__month_totals
    group by billing_account_id, usage_month, currency
),

cloud as (
    select
        organization_id as account,
        "month",
        max(grand_total_chc) as amount,
        cast(max(usage_date) as date) as as_of,
        max(case when locked then 0 else 1 end) as is_estimated
    from clickhouse_cloud__usage_cost
    group by organization_id, "month"
),

totals as (
    select 'aws' as source, account, concat("month", '-01') as first_day, 'unblended' as kind,
        record_type as part, '' as invoice_id, currency, unblended as amount, as_of, is_estimated
    from explorer
    union all
    select 'aws' as source, account, concat("month", '-01') as first_day, 'net_unblended' as kind,
        record_type as part, '' as invoice_id, currency, net_unblended as amount, as_of,
        is_estimated
    from explorer
    union all
    select 'aws' as source, account, concat("month", '-01') as first_day, 'net_amortized' as kind,
        record_type as part, '' as invoice_id, currency, net_amortized as amount, as_of,
        is_estimated
    from explorer
    union all
    select 'aws' as source, account, concat("month", '-01') as first_day, 'invoice' as kind,
        'before_tax' as part, invoice_id, currency, before_tax as amount, as_of, is_estimated
    from invoiced
    union all
    select 'aws' as source, account, concat("month", '-01') as first_day, 'invoice' as kind,
        'tax' as part, invoice_id, currency, tax as amount, as_of, is_estimated
    from invoiced
    union all
    select 'gcp' as source, account, cast(usage_month as varchar) as first_day, 'export' as kind,
        'total' as part, '' as invoice_id, currency, micros / 1000000.0 as amount, as_of,
        1 as is_estimated
    from exported
    union all
    select 'stripe' as source, asked.account as account, concat(asked.asked_month, '-01')
            as first_day,
        'balance_change' as kind, 'total' as part, '' as invoice_id,
        upper(asked.currency) as currency,
        coalesce(asked.net, 0) * cast(1 as double) * {stripe_worth:asked.currency} as amount,
        cast(asked.asked_at as date) as as_of, 0 as is_estimated
    from stripe__month_totals as asked
    where asked.currency <> ''
    union all
    select 'clickhouse_cloud' as source, account, concat("month", '-01') as first_day,
        'grand_total' as kind, 'total' as part, '' as invoice_id, 'USD' as currency, amount, as_of,
        is_estimated
    from cloud
    union all
    select source, account, cast("month" as varchar) as first_day, 'invoice' as kind,
        'before_tax' as part, invoice_id, currency, before_tax as amount,
        cast("month" + interval 1 month as date) as as_of, 0 as is_estimated
    from {values:invoices}
    union all
    select source, account, cast("month" as varchar) as first_day, 'invoice' as kind,
        'tax' as part, invoice_id, currency, tax as amount,
        cast("month" + interval 1 month as date) as as_of, 0 as is_estimated
    from {values:invoices}
)

select
    source,
    account,
    cast(first_day as date) as "month",
    kind,
    part,
    invoice_id,
    currency,
    amount,
    as_of,
    is_estimated
from totals
