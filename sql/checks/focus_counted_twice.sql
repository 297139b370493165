-- one row per month, provider and account whose cost is in several exports of FOCUS
-- Two exports of one billing account may each have sub-accounts of their own, never the same one.
with accounts as (
    select
        substring(x_partition, 1, 7) as month,
        provider_name,
        coalesce(billing_account_id, '') as billing_account,
        coalesce(sub_account_id, '') as sub_account,
        x_partition,
        sum(billed_cost) as billed
    from costs_daily
    where x_source = 'focus'
    group by
        substring(x_partition, 1, 7),
        provider_name,
        coalesce(billing_account_id, ''),
        coalesce(sub_account_id, ''),
        x_partition
)

select
    month,
    provider_name as provider,
    billing_account,
    sub_account,
    count(*) as exports,
    min(x_partition) as first_export,
    max(x_partition) as last_export,
    sum(billed) as billed
from accounts
group by month, provider_name, billing_account, sub_account
having count(*) > 1
order by month, provider, billing_account, sub_account
