-- one row per currency of Stripe with an unknown minor unit: its amounts are not published
select
    x_partition,
    currency,
    count(*) as transactions
from normalized_stripe
where gross is null
group by x_partition, currency
order by x_partition, currency
