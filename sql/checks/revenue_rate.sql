-- one row per currency and month of revenue without a rate: add it to sql/fx_rates.csv, or load fx
select
    x_partition,
    currency,
    reporting_currency,
    min(activity_date) as first_date,
    max(activity_date) as last_date,
    count(*) as transactions,
    sum(net) as total_net
from revenue
where rate is null
    and (
        (class = 'movement' and fee <> 0)
        or (class <> 'movement' and (gross_reporting is null or fee_reporting is null))
    )
group by x_partition, currency, reporting_currency
order by x_partition, currency
