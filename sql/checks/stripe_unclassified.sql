-- one row per unknown category of Stripe: no figure of revenue includes it
select
    x_partition,
    coalesce(reporting_category, '(none)') as category,
    coalesce(type, '(none)') as transaction_type,
    currency,
    count(*) as transactions,
    sum(net) as total_net
from normalized_stripe
where class = 'unclassified'
group by x_partition, coalesce(reporting_category, '(none)'), coalesce(type, '(none)'), currency
order by x_partition, category, transaction_type, currency
