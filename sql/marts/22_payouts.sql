-- one row per payout of Stripe: what of the ledger is in the deposit at the bank
-- amount = gross + refunds + other - fees. Stripe lists the transactions of automatic payouts only.
with transactions as (
    select
        rows_of.account as account,
        rows_of.payout as payout,
        rows_of.currency as currency,
        rows_of.amount as amount,
        rows_of.fee as fee,
        case when rows_of.source = rows_of.payout then 'own' else {stripe_class:rows_of} end as part
    from stripe__payout_transactions as rows_of
),

parts as (
    select
        account,
        payout,
        1 as is_known,
        min(currency) as first_currency,
        max(currency) as last_currency,
        sum(case when part = 'own' then 0 else 1 end) as transactions,
        sum(case when part = 'revenue' then amount else 0 end) as gross,
        sum(case when part = 'contra' then amount else 0 end) as refunds,
        sum(fee) - sum(case when part = 'fee' then amount else 0 end) as fees,
        sum(
            case when part in ('own', 'revenue', 'contra', 'fee') then 0 else amount end
        ) as other
    from transactions
    group by account, payout
),

payouts_of as (
    select
        payouts.id as payout_id,
        payouts.account as account,
        cast('1970-01-01' as date) + cast(floor(payouts.created / 86400) as integer) as made_on,
        cast('1970-01-01' as date)
        + cast(floor(coalesce(payouts.arrival_date, payouts.created) / 86400) as integer)
            as arrival_date,
        payouts.status as status,
        payouts.automatic as is_automatic,
        payouts.reconciliation_status as reconciliation_status,
        payouts.currency as currency,
        coalesce(payouts.amount, 0) as minor_amount,
        {stripe_worth:payouts.currency} as worth,
        coalesce(parts.is_known, 0) as is_known,
        coalesce(parts.transactions, 0) as number_of_parts,
        coalesce(parts.gross, 0) as minor_gross,
        coalesce(parts.refunds, 0) as minor_refunds,
        coalesce(parts.fees, 0) as minor_fees,
        coalesce(parts.other, 0) as minor_other,
        coalesce(parts.first_currency, '') = payouts.currency
        and coalesce(parts.last_currency, '') = payouts.currency as is_one_currency
    from stripe__payouts as payouts
    left join parts
        on payouts.account = parts.account and payouts.id = parts.payout
)

select
    payout_id,
    account,
    made_on,
    arrival_date,
    status,
    is_automatic,
    case
        when status in ('failed', 'canceled') then status
        when is_automatic is null or not is_automatic then 'manual'
        when reconciliation_status = 'in_progress' then 'in progress'
        when
            is_known = 1
            and is_one_currency
            and minor_gross + minor_refunds + minor_other - minor_fees = minor_amount
            then 'reconciled'
        else 'differs'
    end as reconciliation,
    upper(currency) as currency,
    case
        when worth > 0 then cast(cast(minor_amount as decimal(20, 0)) * worth as decimal(38, 9))
    end as amount,
    case
        when worth > 0 and is_known = 1
            then cast(cast(minor_gross as decimal(20, 0)) * worth as decimal(38, 9))
    end as gross,
    case
        when worth > 0 and is_known = 1
            then cast(cast(minor_refunds as decimal(20, 0)) * worth as decimal(38, 9))
    end as refunds,
    case
        when worth > 0 and is_known = 1
            then cast(cast(minor_other as decimal(20, 0)) * worth as decimal(38, 9))
    end as other,
    case
        when worth > 0 and is_known = 1
            then cast(cast(minor_fees as decimal(20, 0)) * worth as decimal(38, 9))
    end as fees,
    case when is_known = 1 then number_of_parts end as transactions
from payouts_of
order by arrival_date, account, payout_id
