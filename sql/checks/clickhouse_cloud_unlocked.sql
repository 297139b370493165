-- one row per day of ClickHouse Cloud that is not locked after 45 days: run load, or ask support
select
    usage_date,
    count(*) as records,
    sum(amount_chc) as cost_chc
from clickhouse_cloud__usage_cost
where not locked and usage_date < cast(now() - interval 45 day as date)
group by usage_date
order by usage_date
