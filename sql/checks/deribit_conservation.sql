-- one row per Deribit day whose published trades or amounts differ from its raw trades
with compared as (
    select trade_date as day_and_currency, 1 as raw_rows, coalesce(amount, 0) as raw_amount,
        0 as published_rows, 0.0 as published_amount
    from deribit__trades
    union all
    select x_partition as day_and_currency, 0 as raw_rows, 0.0 as raw_amount,
        1 as published_rows, coalesce(amount, 0) as published_amount
    from trades
)

select
    day_and_currency,
    sum(raw_rows) as rows_raw,
    sum(published_rows) as rows_published,
    sum(raw_amount) as amount_raw,
    sum(published_amount) as amount_published
from compared
where day_and_currency in (
    select "partition" from raw_partitions
    where word = 'deribit'
)
group by day_and_currency
having sum(raw_rows) <> sum(published_rows)
    or abs(sum(raw_amount) - sum(published_amount)) > 1e-6 + 1e-9 * abs(sum(raw_amount))
order by day_and_currency
