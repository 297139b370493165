-- one row per day and currency: the exchange rates that count
-- Hand-kept ones, of sql/fx_rates.csv, win over the ECB's of the same day. A currency that joined
-- the euro, of sql/euro_members.csv, keeps its fixed rate from then on.
with manual as (
    select kept.rate_date, kept.currency, kept.units_per_eur
    from {values:fx_rates} as kept
),

every_day as (
    select distinct rate_date from normalized_fx
    union distinct
    select distinct rate_date from manual
),

joined as (
    select
        every_day.rate_date as rate_date,
        members.currency as currency,
        members.units_per_eur as units_per_eur
    from every_day
    cross join {values:euro_members} as members
    where every_day.rate_date >= members.joined_on
),

-- the euro itself has a rate on every day that has any
dated as (
    select rate_date, currency, units_per_eur, 2 as priority
    from manual
    union all
    select rate_date, currency, units_per_eur, 0 as priority
    from normalized_fx
    union all
    select rate_date, 'EUR' as currency, cast(1 as decimal(38, 9)) as units_per_eur,
        0 as priority
    from every_day
    union all
    select rate_date, currency, units_per_eur, 1 as priority
    from joined
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
    case when priority = 2 then 'manual' else 'ECB' end as rate_source
from ranked
where place = 1
