-- one row per currency and month of Stripe in which net is not gross less fee
select
    x_partition,
    account,
    currency,
    sum(gross) as total_gross,
    sum(fee) as total_fee,
    sum(net) as total_net
from normalized_stripe
group by x_partition, account, currency
having sum(gross) - sum(fee) <> sum(net)
    or sum(case when gross - fee <> net then 1 else 0 end) > 0
order by x_partition, account, currency
