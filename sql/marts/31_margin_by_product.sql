-- one row per day (UTC) with activity and product: revenue, cost and what is left
-- sql/products.csv assigns rows to products; all others are unassigned. NULL as in margin_daily.
select
    by_product.day as "date",
    by_product.product as product,
    by_product.reporting_currency as reporting_currency,
    by_product.revenue_gross as revenue_gross,
    by_product.revenue_net as revenue_net,
    by_product.cost_billed as cost_billed,
    by_product.cost_effective as cost_effective,
    by_product.revenue_net - by_product.cost_effective as margin,
    (by_product.revenue_net - by_product.cost_effective) / nullif(by_product.revenue_gross, 0)
        as margin_ratio
from {margin_by:product} as by_product
