-- one row per billing account, usage month and currency whose cost in BigQuery is not published
-- Each whole table is asked (sources.gcp.objects = ["month_totals"]), apart from how days are read.
-- A month with fewer rows in BigQuery than are published has expired there and is not named.
with totals as (
    select
        export_table,
        billing_account_id as account,
        usage_month,
        currency,
        sum(row_count) as all_rows,
        sum(micros) as all_micros
    from gcp_costs__month_totals
    group by export_table, billing_account_id, usage_month, currency
),

asked as (
    select
        account,
        usage_month,
        currency,
        max(totals.all_rows) as most_rows,
        sum(totals.all_micros) as all_micros
    from totals
    group by account, usage_month, currency
),

span as (
    select min(cast(export_date as date)) as first_day
    from gcp_costs__billing_export
),

asked_last as (
    select max(asked_on) as asked_on
    from gcp_costs__month_totals
),

published as (
    select
        coalesce(raw.billing_account_id, '') as account,
        cast(
            date_trunc('month', coalesce(raw.usage_start_time, raw.export_time)) as date
        ) as usage_month,
        coalesce(raw.currency, '') as currency,
        count(*) as row_count,
        sum(
            floor(raw.cost * 1000000 + 0.5) + floor(coalesce(raw.x_credit_total, 0) * 1000000 + 0.5)
        ) as micros
    from gcp_costs__billing_export as raw
    cross join asked_last
    where cast(raw.export_date as date) < asked_last.asked_on
    group by account, usage_month, currency
),

-- whether what is published is what one table, or all of them together, has of the month
compared as (
    select
        asked.account as account,
        asked.usage_month as usage_month,
        asked.currency as currency,
        asked.most_rows as most_rows,
        coalesce(published.row_count, 0) as rows_published,
        coalesce(published.micros, 0) as micros_published,
        asked.all_micros as all_micros,
        min(abs(totals.all_micros - coalesce(published.micros, 0))) as nearest,
        max(totals.all_micros) as most_micros
    from asked
    inner join totals
        on asked.account = totals.account
        and asked.usage_month = totals.usage_month
        and asked.currency = totals.currency
    left join published
        on asked.account = published.account
        and asked.usage_month = published.usage_month
        and asked.currency = published.currency
    group by
        asked.account,
        asked.usage_month,
        asked.currency,
        asked.most_rows,
        asked.all_micros,
        published.row_count,
        published.micros
)

select
    compared.account as billing_account_id,
    compared.usage_month as usage_month,
    compared.currency as currency,
    compared.most_rows as rows_of_google,
    compared.rows_published as rows_published,
    compared.most_micros / 1000000.0 as cost_of_google,
    compared.micros_published / 1000000.0 as cost_published
from compared
cross join span
where compared.usage_month >= span.first_day
    and compared.most_rows >= compared.rows_published
    and compared.nearest > 1 + 2 * compared.most_rows
    and abs(compared.all_micros - compared.micros_published) > 1 + 2 * compared.most_rows
order by billing_account_id, usage_month, currency
