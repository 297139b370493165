-- one row per total of a provider that differs from what is published, with what it looks like
-- Within a cent and a hundred-thousandth, or explained by known lines, it is not named.
select
    source,
    account,
    "month",
    kind,
    invoice_id,
    currency,
    ours,
    theirs,
    difference,
    reason
from reconciliation
where verdict = 'open'
order by source, account, "month", kind, invoice_id
