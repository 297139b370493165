-- one row per account, month and currency whose count or sums at Stripe are not what is published
-- Every load asks for one final month again (sources.stripe.sample_pages). A month that was loaded
-- after it was asked for waits until its turn comes again. Minor units.
with asked as (
    select
        totals.asked_month as created_month,
        totals.account as account,
        max(totals.asked_at) as asked_at
    from stripe__month_totals as totals
    inner join raw_partitions as loaded
        on totals.asked_month = loaded."partition"
    where loaded.word = 'stripe' and loaded.delivered_at <= totals.asked_at
    group by totals.asked_month, totals.account
),

compared as (
    select
        totals.asked_month as created_month,
        totals.account as account,
        totals.currency as currency,
        totals.row_count as rows_of_stripe,
        totals.amount as amount_of_stripe,
        totals.fee as fee_of_stripe,
        0 as rows_published,
        0 as amount_published,
        0 as fee_published
    from stripe__month_totals as totals
    inner join asked
        on totals.asked_month = asked.created_month and totals.account = asked.account
    union all
    select
        ledger.created_month as created_month,
        ledger.account as account,
        ledger.currency as currency,
        0 as rows_of_stripe,
        0 as amount_of_stripe,
        0 as fee_of_stripe,
        count(*) as rows_published,
        sum(ledger.amount) as amount_published,
        sum(ledger.fee) as fee_published
    from stripe__balance_transactions as ledger
    inner join asked
        on ledger.created_month = asked.created_month and ledger.account = asked.account
    group by ledger.created_month, ledger.account, ledger.currency
)

select
    created_month,
    account,
    currency,
    sum(rows_of_stripe) as rows_at_stripe,
    sum(rows_published) as rows_in_ledger,
    sum(amount_of_stripe) as amount_at_stripe,
    sum(amount_published) as amount_in_ledger,
    sum(fee_of_stripe) as fee_at_stripe,
    sum(fee_published) as fee_in_ledger
from compared
group by created_month, account, currency
having sum(rows_of_stripe) <> sum(rows_published)
    or sum(amount_of_stripe) <> sum(amount_published)
    or sum(fee_of_stripe) <> sum(fee_published)
order by created_month, account, currency
