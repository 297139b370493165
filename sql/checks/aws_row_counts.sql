-- one row per AWS month that lost or gained rows after it was published, raw and normalised alike
-- A load compares its rows with the footers of AWS's files, and notes their number in deliveries.
-- AWS's manifests hold no counts. What only one of both tables has is in aws_conservation, and a
-- month that AWS has and the destination does not in stale_partitions.
with noted as (
    select "partition", max_by(deliveries."rows", published_at) as row_count
    from deliveries
    where word = 'aws'
    group by "partition"
),

raw as (
    select billing_period as "partition", count(*) as row_count
    from aws_costs__cur
    where coalesce(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
    group by billing_period
),

published as (
    select x_partition as "partition", count(*) as row_count
    from normalized_aws
    group by x_partition
)

select
    noted."partition" as billing_period,
    noted.row_count as rows_delivered,
    published.row_count as rows_published
from published
inner join raw on published."partition" = raw."partition"
inner join noted on published."partition" = noted."partition"
where published.row_count <> noted.row_count and published.row_count = raw.row_count
order by billing_period
