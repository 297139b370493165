-- one row per billing period and issuer of its invoices, of the rows of Cost and Usage in charges
-- A period is closed when all its days are there and every billed charge names its invoice, and
-- then stays so. before_now has the rows of the run before, complete_periods the months that all
-- sources have whole, this_run the moment of the run.
with found as (
    select
        "BillingPeriodStart" as period_start,
        "InvoiceIssuerName" as issuer,
        max("BillingPeriodEnd") as period_end,
        sum(case when "InvoiceId" is not null then 1 else 0 end) as invoiced,
        sum(case when "InvoiceId" is null and "BilledCost" <> 0 then 1 else 0 end) as open_charges
    from charges
    where "BillingPeriodStart" is not null and "InvoiceIssuerName" is not null
    group by "BillingPeriodStart", "InvoiceIssuerName"
),

stated as (
    select
        found.*,
        case
            when before_now."BillingPeriodStatus" = 'Closed' then 'Closed'
            when
                found.invoiced > 0
                and found.open_charges = 0
                and strftime(found.period_start, '%Y-%m') in (
                    select complete_periods.period from complete_periods
                )
                then 'Closed'
            else 'Open'
        end as status,
        before_now."BillingPeriodCreated" as created,
        before_now."BillingPeriodLastUpdated" as updated,
        before_now."BillingPeriodStatus" as status_before,
        before_now."BillingPeriodEnd" as end_before
    from found
    left join before_now
        on found.period_start = before_now."BillingPeriodStart"
        and found.issuer = before_now."InvoiceIssuerName"
)

select
    coalesce(stated.created, this_run.moment) as "BillingPeriodCreated",
    stated.period_end as "BillingPeriodEnd",
    case
        when stated.status_before = stated.status and stated.end_before = stated.period_end
            then stated.updated
        else this_run.moment
    end as "BillingPeriodLastUpdated",
    stated.period_start as "BillingPeriodStart",
    stated.status as "BillingPeriodStatus",
    stated.issuer as "InvoiceIssuerName"
from stated
cross join this_run
order by stated.period_start, stated.issuer
