-- one row per budget of sql/budgets.csv and month of use (UTC): what of it is burned and projected
-- In the reporting currency, by effective cost; a budget by the rate of its month's first day or
-- the last business day before it. Projected, per source: what comes again every day, by whole day,
-- for all days of the month, and everything else once. Whole days are those of complete_through.
with months as (
    select
        month,
        cast(month + interval 1 month - interval 1 day as date) as last_day,
        extract(day from month + interval 1 month - interval 1 day) as days_in_month
    from (
        select distinct cast(date_trunc('month', x_usage_date) as date) as month
        from costs_daily
        where x_usage_date is not null
    ) as days
),

-- of a source without a whole day nothing can be projected
spans as (
    select
        source,
        coalesce(complete_through, cast('1970-01-01' as date)) as whole_day
    from complete_through
),

lines as (
    select
        cast(date_trunc('month', x_usage_date) as date) as month,
        spans.whole_day as whole_day,
        case when x_usage_date <= spans.whole_day then 1 else 0 end as is_whole,
        x_source as source,
        coalesce(provider_name, '') as provider,
        coalesce(sub_account_id, '') as account,
        coalesce(service_name, '') as service,
        {product:cost} as product,
        {tag_column},
        case
            when
                charge_category in ('Usage', 'Purchase')
                and coalesce(charge_frequency, '') <> 'One-Time'
                and not x_spans_days
                then 1
            else 0
        end as is_steady,
        sum(each.effective_cost / each.reporting_rate) as amount,
        sum(each.x_lines) as x_lines,
        sum(
            case
                when each.reporting_rate is null then each.x_lines
                else each.x_lines_without_effective_cost
            end
        ) as unknown
    from {in_reporting:costs_daily} as each
    inner join spans on each.x_source = spans.source
    where x_usage_date is not null
    group by
        {tag_column},
        cast(date_trunc('month', x_usage_date) as date),
        spans.whole_day,
        case when x_usage_date <= spans.whole_day then 1 else 0 end,
        x_source,
        coalesce(provider_name, ''),
        coalesce(sub_account_id, ''),
        coalesce(service_name, ''),
        {product:cost},
        case
            when
                charge_category in ('Usage', 'Purchase')
                and coalesce(charge_frequency, '') <> 'One-Time'
                and not x_spans_days
                then 1
            else 0
        end
),

valid as (
    select
        months.month as month,
        months.last_day as last_day,
        months.days_in_month as days_in_month,
        kept.provider as provider,
        kept.account as account,
        kept.service as service,
        kept.tag_column as tag_column,
        kept.tag_value as tag_value,
        kept.product as product,
        kept.amount as amount,
        kept.currency as currency,
        '{reporting_currency}' as reporting_currency,
        row_number() over (
            partition by
                months.month,
                kept.provider,
                kept.account,
                kept.service,
                kept.tag_column,
                kept.tag_value,
                kept.product
            order by kept.from_month desc
        ) as place
    from months
    cross join {budgets:scoped} as kept
    where kept.from_month <= months.month
),

-- both legs of the cross rate, as in revenue
own as (
    select
        valid.*,
        rates.units_per_eur as own_units,
        rates.rate_date as own_date
    from valid
    asof left join fx_rates as rates
        on valid.currency = rates.currency and valid.month >= rates.rate_date
    where valid.place = 1
),

crossed as (
    select
        own.*,
        rates.units_per_eur as their_units,
        rates.rate_date as their_date
    from own
    asof left join fx_rates as rates
        on own.reporting_currency = rates.currency and own.month >= rates.rate_date
),

budgeted as (
    select
        *,
        case
            when currency = reporting_currency then amount
            when own_units > 0 and their_units > 0
                and own_date >= month - 7 and their_date >= month - 7
                then amount / (cast(own_units as double) / cast(their_units as double))
        end as budget
    from crossed
),

by_source as (
    select
        budgeted.month as month,
        budgeted.last_day as last_day,
        budgeted.days_in_month as days_in_month,
        budgeted.provider as provider,
        budgeted.account as account,
        budgeted.service as service,
        budgeted.tag_column as tag_column,
        budgeted.tag_value as tag_value,
        budgeted.product as product,
        lines.whole_day as whole_day,
        sum(coalesce(lines.amount, 0)) as burned,
        sum(case when lines.is_steady = 0 then coalesce(lines.amount, 0) else 0 end) as once,
        sum(
            case
                when lines.is_steady = 1 and lines.is_whole = 1 then coalesce(lines.amount, 0)
                else 0
            end
        ) as steady,
        sum(lines.x_lines) as x_lines,
        sum(lines.unknown) as unknown
    from budgeted
    inner join lines on budgeted.month = lines.month
    where (
        budgeted.provider = ''
        or lower(budgeted.provider) = lower(lines.source)
        or lower(budgeted.provider) = lower(lines.provider)
    )
    and (budgeted.account = '' or budgeted.account = lines.account)
    and (budgeted.service = '' or budgeted.service = lines.service)
    and (budgeted.product = '' or budgeted.product = lines.product)
    and case
        when budgeted.tag_column = '' then 1
        when budgeted.tag_column = '{tag_column}' and lines.{tag_column} = budgeted.tag_value then 1
        else 0
    end = 1
    group by
        budgeted.month,
        budgeted.last_day,
        budgeted.days_in_month,
        budgeted.provider,
        budgeted.account,
        budgeted.service,
        budgeted.tag_column,
        budgeted.tag_value,
        budgeted.product,
        lines.whole_day
),

dated as (
    select
        *,
        case when whole_day < last_day then whole_day else last_day end as as_of
    from by_source
),

projections as (
    select
        *,
        case
            when as_of >= last_day then burned
            when as_of >= month
                then once + steady / (date_diff('day', month, as_of) + 1) * days_in_month
        end as projected
    from dated
),

sums as (
    select
        month,
        provider,
        account,
        service,
        tag_column,
        tag_value,
        product,
        1 as is_there,
        min(case when projections.as_of >= month then projections.as_of end) as as_of,
        case when sum(projections.unknown) = 0 then sum(projections.burned) end as burned,
        case
            when sum(projections.unknown) = 0 and count(*) = count(projections.projected)
                then sum(projections.projected)
        end as projected,
        sum(projections.x_lines) as x_lines,
        sum(projections.unknown) as unknown
    from projections
    group by month, provider, account, service, tag_column, tag_value, product
),

figures as (
    select
        budgeted.*,
        sums.as_of as as_of,
        case when sums.is_there = 1 then sums.burned else 0 end as burned,
        case when sums.is_there = 1 then sums.projected else 0 end as projected,
        coalesce(sums.x_lines, 0) as line_items,
        coalesce(sums.unknown, 0) as line_items_without_cost
    from budgeted
    left join sums
        on budgeted.month = sums.month
        and budgeted.provider = sums.provider
        and budgeted.account = sums.account
        and budgeted.service = sums.service
        and budgeted.tag_column = sums.tag_column
        and budgeted.tag_value = sums.tag_value
        and budgeted.product = sums.product
)

select
    month,
    as_of,
    provider,
    account,
    service,
    tag_column,
    tag_value,
    product,
    reporting_currency,
    budget,
    burned,
    projected,
    burned / nullif(budget, 0) as burned_share,
    projected / nullif(budget, 0) as projected_share,
    line_items,
    line_items_without_cost
from figures
order by month, provider, account, service, tag_column, tag_value, product
