-- one row per day (UTC) with activity and source: its revenue, or its cost
-- margin_daily by source: another cloud is more rows, not more columns. NULL as in margin_daily.
select
    by_source.day as "date",
    by_source.source as source,
    by_source.reporting_currency as reporting_currency,
    by_source.revenue_gross as revenue_gross,
    by_source.revenue_net as revenue_net,
    by_source.cost_billed as cost_billed,
    by_source.cost_effective as cost_effective,
    by_source.revenue_net - by_source.cost_effective as margin
from {margin_by:source} as by_source
