-- cost by day: what marts read, published with the lines of each partition

-- one row per source, partition, day (UTC) and everything of a cost line but its hour
create table if not exists costs_daily (
    {columns:costs_daily}
)
engine = MergeTree
partition by (x_source, x_partition)
order by (
    ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''),
    ifNull(sub_account_id, '')
)
comment '{daily_rules}';
