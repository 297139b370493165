-- one row per total of a provider: what is published beside it, and what explains a difference
-- explained: theirs leaves out lines that cost what is missing (credits, refunds, tax, support, the
-- marketplace, fees of commitments, discounts), or only rounding, or the days that are still open.
-- Lines of an invoice are compared by its id where any line carries it, else the whole month is.
with summed as (
    select
        x_source,
        billing_account_id,
        invoice_id,
        billing_currency,
        billing_period_start,
        x_usage_date,
        case
            when charge_category = 'Tax' then 'tax'
            when x_billing_entity = 'AWS Marketplace' then 'marketplace'
            when charge_category = 'Credit' then 'credits'
            when x_line_item_type = 'Refund' then 'refunds'
            when x_line_item_type in (
                'Discount', 'EdpDiscount', 'PrivateRateDiscount', 'BundledDiscount',
                'RiVolumeDiscount'
            ) then 'discounts'
            when service_name like '%Support%' then 'support'
            when charge_category = 'Purchase' then 'commitment fees'
            else 'usage'
        end as lines_of,
        sum(billed_cost) as billed,
        sum(effective_cost) as effective,
        sum(x_lines_without_billed_cost) as without_billed,
        sum(x_lines_without_effective_cost) as without_effective
    from costs_daily
    group by
        x_source,
        billing_account_id,
        invoice_id,
        billing_currency,
        billing_period_start,
        x_usage_date,
        lines_of
),

measured as (
    select
        x_source as source,
        coalesce(billing_account_id, '') as account,
        cast(
            date_trunc(
                'month',
                case
                    when x_source = 'gcp' then x_usage_date
                    else cast(billing_period_start as date)
                end
            ) as date
        ) as first_day,
        cast(date_trunc('month', cast(billing_period_start as date)) as date) as billed_month,
        coalesce(summed.invoice_id, '') as invoice_id,
        billing_currency as currency,
        lines_of,
        x_usage_date as used_on,
        billed,
        effective,
        without_billed,
        without_effective
    from summed
),

-- ClickHouse computes a part again for every reference to it, so the measures are rows
measures as (
    select 'effective' as measure
    union all
    select 'billed' as measure
    union all
    select 'by invoice' as measure
),

stacked as (
    select
        measured.source as source,
        measured.account as account,
        case
            when measures.measure = 'by invoice' then measured.billed_month
            else measured.first_day
        end as first_day,
        case when measures.measure = 'by invoice' then '' else measured.invoice_id end
            as invoice_id,
        measured.currency as currency,
        measured.lines_of as lines_of,
        measured.used_on as used_on,
        measures.measure as measure,
        case
            when measures.measure = 'effective' then measured.effective
            else measured.billed
        end as amount,
        case
            when measures.measure = 'effective' then measured.without_effective
            else measured.without_billed
        end as unknown_lines
    from measured
    cross join measures
    where measures.measure <> 'by invoice' or measured.source = 'gcp'
    union all
    select 'stripe' as source, ledger.account as account,
        cast(concat(ledger.x_partition, '-01') as date) as first_day, '' as invoice_id,
        ledger.currency as currency, 'usage' as lines_of, ledger.activity_date as used_on,
        'billed' as measure, ledger.net * cast(1 as double) as amount,
        case when ledger.net is null then 1 else 0 end as unknown_lines
    from normalized_stripe as ledger
    union all
    select 'stripe' as source, ledger.account as account,
        cast(concat(ledger.x_partition, '-01') as date) as first_day, '' as invoice_id,
        ledger.currency as currency, 'usage' as lines_of, ledger.activity_date as used_on,
        'payouts' as measure, ledger.gross * cast(1 as double) as amount,
        case when ledger.gross is null then 1 else 0 end as unknown_lines
    from normalized_stripe as ledger
    where ledger.type = 'payout'
),

-- each once for its month, and once for its invoice
sides as (
    select 0 as is_of_invoice
    union all
    select 1 as is_of_invoice
),

keyed as (
    select
        stacked.*,
        case when sides.is_of_invoice = 1 then stacked.invoice_id else '' end as of_invoice
    from stacked
    cross join sides
    where sides.is_of_invoice = 0 or stacked.invoice_id <> ''
),

ends as (
    select source, account, first_day, max(used_on) as newest_day
    from stacked
    group by source, account, first_day
),

ours_of as (
    select
        keyed.source as source,
        keyed.account as account,
        keyed.first_day as first_day,
        keyed.of_invoice as of_invoice,
        keyed.currency as currency,
        keyed.measure as measure,
        1 as is_there,
        max(ends.newest_day) as newest_day,
        sum(keyed.unknown_lines) as unknown_lines,
        coalesce(sum(keyed.amount), 0) as total,
        sum(case when lines_of = 'tax' then amount else 0 end) as tax,
        sum(case when lines_of = 'credits' then amount else 0 end) as credits,
        sum(case when lines_of = 'refunds' then amount else 0 end) as refunds,
        sum(case when lines_of = 'discounts' then amount else 0 end) as discounts,
        sum(case when lines_of = 'support' then amount else 0 end) as support,
        sum(case when lines_of = 'marketplace' then amount else 0 end) as marketplace,
        sum(case when lines_of = 'commitment fees' then amount else 0 end) as fees,
        sum(
            case
                when keyed.used_on >= cast(ends.newest_day - interval 1 day as date) then amount
                else 0
            end
        ) as last_days
    from keyed
    inner join ends
        on keyed.source = ends.source
        and keyed.account = ends.account
        and keyed.first_day = ends.first_day
    group by keyed.source, keyed.account, keyed.first_day, keyed.of_invoice, keyed.currency,
        keyed.measure
),

theirs_of as (
    select
        source,
        account,
        "month" as first_day,
        kind,
        case
            when (source, account, invoice_id) in (
                select (source, account, invoice_id) from measured
                where invoice_id <> ''
            ) then invoice_id
            else ''
        end as of_invoice,
        currency,
        case kind
            when 'net_amortized' then 'effective'
            when 'payouts' then 'payouts'
            when 'invoice_month' then 'by invoice'
            else 'billed'
        end as measure,
        sum(amount) as total,
        sum(case when part in ('Tax', 'tax') then amount else 0 end) as tax,
        sum(case when part in ('Credit', 'Credits') then amount else 0 end) as credits,
        sum(case when part = 'Refund' then amount else 0 end) as refunds,
        max(as_of) as as_of,
        max(is_estimated) as is_estimated
    from provider_totals
    group by source, account, "month", kind, of_invoice, currency, measure
),

nets as (
    select source, account, "month" as first_day, currency, 1 as is_net, sum(amount) as total
    from provider_totals
    where kind = 'net_unblended'
    group by source, account, "month", currency
),

compared as (
    select
        theirs_of.source as source,
        theirs_of.account as account,
        theirs_of.first_day as first_day,
        theirs_of.kind as kind,
        theirs_of.of_invoice as invoice_id,
        theirs_of.currency as currency,
        case when ours_of.is_there = 1 and ours_of.unknown_lines = 0 then ours_of.total end as ours,
        theirs_of.total as theirs,
        round(theirs_of.total - coalesce(ours_of.total, 0), 6) as difference,
        0.01 + 0.00001 * abs(theirs_of.total) as tolerance,
        coalesce(ours_of.is_there, 0) as is_there,
        coalesce(ours_of.unknown_lines, 0) as unknown_lines,
        coalesce(ours_of.tax, 0) as tax,
        coalesce(ours_of.credits, 0) as credits,
        coalesce(ours_of.refunds, 0) as refunds,
        coalesce(ours_of.discounts, 0) as discounts,
        coalesce(ours_of.support, 0) as support,
        coalesce(ours_of.marketplace, 0) as marketplace,
        coalesce(ours_of.fees, 0) as fees,
        coalesce(ours_of.last_days, 0) as last_days,
        theirs_of.tax as their_tax,
        theirs_of.credits as their_credits,
        theirs_of.refunds as their_refunds,
        case when theirs_of.kind = 'unblended' and nets.is_net = 1 then nets.total end as their_net,
        case
            when ours_of.is_there = 1
                then
                    ours_of.newest_day < cast(theirs_of.as_of - interval 2 day as date)
                    and ours_of.newest_day
                    < cast(theirs_of.first_day + interval 1 month - interval 1 day as date)
            else false
        end as is_behind,
        theirs_of.as_of as as_of,
        theirs_of.is_estimated as is_estimated
    from theirs_of
    left join ours_of
        on theirs_of.source = ours_of.source
        and theirs_of.account = ours_of.account
        and theirs_of.first_day = ours_of.first_day
        and theirs_of.of_invoice = ours_of.of_invoice
        and theirs_of.currency = ours_of.currency
        and theirs_of.measure = ours_of.measure
    left join nets
        on theirs_of.source = nets.source
        and theirs_of.account = nets.account
        and theirs_of.first_day = nets.first_day
        and theirs_of.currency = nets.currency
),

judged as (
    select
        compared.*,
        case
            when is_there = 0 then 'open: not loaded'
            when unknown_lines > 0 then 'open: lines without a cost'
            when abs(difference) <= tolerance then 'agrees'
            when tax <> 0 and their_tax = 0 and abs(difference + tax) <= tolerance
                then 'explained: tax'
            when abs(tax) <= tolerance and their_tax <> 0
                and abs(difference - their_tax) <= tolerance then 'explained: tax'
            when credits <> 0 and their_credits = 0 and abs(difference + credits) <= tolerance
                then 'explained: credits'
            when refunds <> 0 and their_refunds = 0 and abs(difference + refunds) <= tolerance
                then 'explained: refunds'
            when credits <> 0 and refunds <> 0 and their_credits = 0 and their_refunds = 0
                and abs(difference + credits + refunds) <= tolerance
                then 'explained: credits and refunds'
            when abs(difference - (theirs - their_net)) <= tolerance
                then 'explained: discounts, theirs is gross'
            when discounts <> 0 and abs(difference + discounts) <= tolerance
                then 'explained: discounts, theirs is gross'
            when support <> 0 and abs(difference + support) <= tolerance then 'explained: support'
            when marketplace <> 0 and abs(difference + marketplace) <= tolerance
                then 'explained: marketplace'
            when fees <> 0 and abs(difference + fees) <= tolerance
                then 'explained: commitment fees'
            when abs(difference) <= 1 and abs(difference) <= 0.001 * abs(theirs)
                then 'explained: rounding'
            when abs(difference + theirs) <= tolerance then 'open: counted twice'
            when their_credits <> 0 and abs(difference - their_credits + credits) <= tolerance
                then 'open: credits missing'
            when is_behind and difference > 0 then 'open: newest days missing'
            when is_estimated = 1 and source <> 'gcp' and abs(difference) <= abs(last_days)
                then 'explained: last days'
            else 'open: not explained'
        end as judgement
    from compared
)

select
    source,
    account,
    first_day as "month",
    kind,
    invoice_id,
    currency,
    ours,
    theirs,
    difference,
    difference / nullif(theirs, 0) as share,
    case
        when judgement like 'open%' then 'open'
        when judgement like 'explained%' then 'explained'
        else 'agrees'
    end as verdict,
    case
        when judgement like 'open%' then substring(judgement, 7)
        when judgement like 'explained%' then substring(judgement, 12)
        else ''
    end as reason,
    as_of,
    is_estimated
from judged
