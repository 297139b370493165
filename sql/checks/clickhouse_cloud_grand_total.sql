-- one row per month and organisation whose records do not add up to ClickHouse Cloud's grand total
with compared as (
    select
        month,
        organization_id,
        sum(amount_chc) as records_chc,
        max(grand_total_chc) as grand_total
    from clickhouse_cloud__usage_cost
    group by month, organization_id
)

select
    month,
    organization_id,
    records_chc,
    grand_total as grand_total_chc,
    round(grand_total - records_chc, 6) as missing_chc
from compared
where abs(grand_total - records_chc) > 0.01
order by month, organization_id
