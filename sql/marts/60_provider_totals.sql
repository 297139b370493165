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

exports_of as (
    select
        export_table,
        billing_account_id as account,
        usage_month,
        currency,
        sum(row_count) as all_rows,
        sum(micros) as all_micros,
        max(asked_on) as as_of
    from gcp_costs__month_totals
    group by export_table, billing_account_id, usage_month, currency
),

-- of several tables with a month of use the one that has most of it, as a load chooses
exported as (
    select
        account,
        usage_month,
        currency,
        max_by(export_table, all_rows) as fullest,
        max_by(all_micros, all_rows) as micros,
        max(exports_of.as_of) as as_of
    from exports_of
    group by account, usage_month, currency
),

by_invoice as (
    select
        exported.account as account,
        parts.invoice_month as invoice_month,
        exported.currency as currency,
        sum(parts.micros) as micros,
        max(exported.as_of) as as_of
    from gcp_costs__month_totals as parts
    inner join exported
        on parts.export_table = exported.fullest
        and parts.billing_account_id = exported.account
        and parts.usage_month = exported.usage_month
        and parts.currency = exported.currency
    where length(parts.invoice_month) = 6
    group by exported.account, parts.invoice_month, exported.currency
),

paid_out as (
    select
        account,
        cast(
            date_trunc(
                'month',
                cast('1970-01-01' as date) + cast(floor(created / 86400) as integer)
            ) as date
        ) as first_day,
        currency,
        sum(amount) as minor_units
    from stripe__payouts
    where balance_transaction is not null
    group by account, first_day, currency
),

payouts_read as (
    select cast(max(coalesce(delivered_at, published_at)) as date) as as_of
    from deliveries
    where word in ('stripe', 'stripe_payouts')
),

-- the first month of the ledger
ledger as (
    select min(cast(concat(x_partition, '-01') as date)) as first_day
    from normalized_stripe
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
    select 'gcp' as source, account,
        concat(substring(invoice_month, 1, 4), '-', substring(invoice_month, 5, 2), '-01')
            as first_day,
        'invoice_month' as kind, 'total' as part, '' as invoice_id, currency,
        micros / 1000000.0 as amount, as_of, 1 as is_estimated
    from by_invoice
    union all
    select 'stripe' as source, paid_out.account as account,
        cast(paid_out.first_day as varchar) as first_day, 'payouts' as kind, 'total' as part,
        '' as invoice_id, upper(paid_out.currency) as currency,
        -paid_out.minor_units * cast(1 as double) * {stripe_worth:paid_out.currency} as amount,
        payouts_read.as_of as as_of,
        case
            when payouts_read.as_of < cast(paid_out.first_day + interval 1 month as date) then 1
            else 0
        end as is_estimated
    from paid_out
    cross join ledger
    cross join payouts_read
    where paid_out.first_day >= ledger.first_day and payouts_read.as_of is not null
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
