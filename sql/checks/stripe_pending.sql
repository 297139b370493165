-- one row per account and month with transactions that are pending for more than 30 days
-- Every run reads the months within the lookback again; read an older month with --from.
select
    x_partition,
    account,
    currency,
    count(*) as transactions,
    min(created_at) as oldest,
    sum(net) as total_net
from normalized_stripe
where status = 'pending' and created_at < now() - interval 30 day
group by x_partition, account, currency
order by x_partition, account, currency
