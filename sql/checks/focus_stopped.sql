-- one row per export of FOCUS whose newest day of usage is a week or more behind another export's
-- All exports are one source, so complete_through cannot name one that stopped while others go on.
-- What is billed by the month has no days of usage; an export that ended two months ago is over.
with exports as (
    select
        substring(x_partition, 9) as export,
        max(x_usage_date) as newest_day
    from costs_daily
    where x_source = 'focus' and charge_category = 'Usage' and not x_spans_days
    group by substring(x_partition, 9)
),

newest as (
    select max(newest_day) as newest_of_all
    from exports
)

select
    exports.export as export,
    exports.newest_day as newest_day,
    newest.newest_of_all as newest_of_all
from exports
cross join newest
where date_diff('day', exports.newest_day, newest.newest_of_all) between 7 and 62
order by export
