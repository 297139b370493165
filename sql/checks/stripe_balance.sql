-- one row per account and currency whose balance at Stripe differs from the sum of its transactions
-- Compares the newest reading: with the whole ledger when its first month is loaded, else with the
-- change since the previous reading. Waits until the ledger was read after that reading.
with looks as (
    select
        account,
        read_date,
        as_of,
        as_of_second,
        as_of_month,
        first_month,
        row_number() over (partition by account order by read_date desc) as age
    from (
        select
            account,
            read_date,
            max(as_of) as as_of,
            max(as_of_second) as as_of_second,
            max(as_of_month) as as_of_month,
            max(first_month) as first_month
        from stripe__balances
        group by account, read_date
    ) as by_day
    where as_of_second is not null
),

pairs as (
    select
        account,
        max(case when age = 1 then read_date end) as last_day,
        max(case when age = 1 then as_of end) as last_moment,
        max(case when age = 1 then as_of_second end) as until_second,
        max(case when age = 1 then as_of_month end) as last_month,
        max(case when age = 1 then first_month end) as ledger_month,
        max(case when age = 2 then read_date end) as day_before,
        max(case when age = 2 then as_of_second end) as second_before,
        max(case when age = 2 then as_of_month end) as month_before
    from looks
    group by account
),

loaded as (
    select "partition", delivered_at
    from raw_partitions
    where word = 'stripe'
),

-- after which second the rows count: 0 from the beginning, NULL when nothing can be compared
spans as (
    select
        account,
        last_day,
        day_before,
        until_second,
        case
            when ledger_month in (select "partition" from loaded)
                then 0
            when month_before in (select "partition" from loaded)
                then second_before
        end as after_second
    from pairs
    inner join loaded as months
        on pairs.last_month = months."partition"
    where pairs.last_moment <= months.delivered_at
),

amounts as (
    select
        ledger.account as account,
        ledger.currency as currency,
        ledger.net as of_ledger,
        0 as of_stripe
    from stripe__balance_transactions as ledger
    inner join spans on ledger.account = spans.account
    where ledger.created > spans.after_second
        and ledger.created <= spans.until_second
        and (ledger.balance_type is null or ledger.balance_type in ('', 'payments'))
    union all
    select
        balances.account as account,
        balances.currency as currency,
        0 as of_ledger,
        balances.available + balances.pending as of_stripe
    from stripe__balances as balances
    inner join spans on balances.account = spans.account
    where balances.read_date = spans.last_day and spans.after_second is not null
    union all
    select
        balances.account as account,
        balances.currency as currency,
        0 as of_ledger,
        -(balances.available + balances.pending) as of_stripe
    from stripe__balances as balances
    inner join spans on balances.account = spans.account
    where balances.read_date = spans.day_before and spans.after_second > 0
)

select
    account,
    currency,
    sum(of_ledger) as minor_of_ledger,
    sum(of_stripe) as minor_of_stripe
from amounts
group by account, currency
having sum(of_ledger) <> sum(of_stripe)
order by account, currency
