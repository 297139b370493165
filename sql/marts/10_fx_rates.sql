-- one row per day and currency: the exchange rates that count
-- Hand-kept ones, of sql/fx_rates.csv, win over the ECB's of the same day.
with manual as (
    select kept.rate_date, kept.currency, kept.units_per_eur
    from {values:fx_rates} as kept
),

-- the euro itself has a rate on every day that has any
dated as (
    select rate_date, currency, units_per_eur, 1 as priority
    from manual
    union all
    select rate_date, currency, units_per_eur, 0 as priority
    from normalized_fx
    union all
    select distinct rate_date, 'EUR' as currency, cast(1 as decimal(38, 9)) as units_per_eur,
        0 as priority
    from normalized_fx
    union all
    select distinct rate_date, 'EUR' as currency, cast(1 as decimal(38, 9)) as units_per_eur,
        0 as priority
    from manual
),

ranked as (
    select
        rate_date,
        currency,
        units_per_eur,
        priority,
        row_number() over (partition by rate_date, currency order by priority desc) as place
    from dated
)

select
    rate_date,
    currency,
    units_per_eur,
    case when priority = 1 then 'manual' else 'ECB' end as rate_source
from ranked
where place = 1
