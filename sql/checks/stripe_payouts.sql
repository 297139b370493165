-- one row per payout whose transactions do not make it up, are not known, or that failed
-- sources.stripe.objects = ["payouts"]. Of manual payouts Stripe does not say what is in them.
select
    account,
    payout_id,
    arrival_date,
    currency,
    amount,
    gross + refunds + other - fees as amount_of_transactions,
    reconciliation
from payouts
where reconciliation in ('failed', 'canceled', 'manual', 'differs')
    or (reconciliation = 'in progress' and arrival_date < cast(now() as date) - 7)
order by arrival_date, account, payout_id
