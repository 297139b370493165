-- one row per balance transaction, with its amounts in the reporting currency
-- The rate is of the day of activity or the last business day before it, crossed through the euro;
-- older than seven days is not used, and without a rate the amounts are NULL, but for 0.
with ledger as (
    select
        *,
        '{reporting_currency}' as reporting_currency
    from normalized_stripe
),

-- both legs of the cross rate
own as (
    select
        ledger.*,
        rates.units_per_eur as own_units,
        rates.rate_date as own_date,
        rates.rate_source as own_source
    from ledger
    asof left join fx_rates as rates
        on ledger.currency = rates.currency and ledger.activity_date >= rates.rate_date
),

crossed as (
    select
        own.*,
        rates.units_per_eur as their_units,
        rates.rate_date as their_date,
        rates.rate_source as their_source
    from own
    asof left join fx_rates as rates
        on own.reporting_currency = rates.currency and own.activity_date >= rates.rate_date
),

rated as (
    select
        *,
        currency = reporting_currency as is_same,
        own_units > 0 and their_units > 0
        and own_date >= activity_date - 7 and their_date >= activity_date - 7 as is_rated,
        case when own_date < their_date then own_date else their_date end as older_date,
        case
            when own_source = 'manual' or their_source = 'manual' then 'manual' else 'ECB'
        end as either_source,
        cast(own_units as double) / nullif(cast(their_units as double), 0) as cross_rate
    from crossed
)

select
    transaction_id,
    source_id,
    account,
    created_at,
    activity_date,
    available_date,
    status,
    class,
    reporting_category,
    type,
    currency,
    gross,
    fee,
    net,
    -- in the reporting currency, to a millionth of it
    reporting_currency,
    case
        when is_same or gross = 0 then gross
        when is_rated and gross is not null then {reported:gross}
    end as gross_reporting,
    case
        when is_same or fee = 0 then fee
        when is_rated and fee is not null then {reported:fee}
    end as fee_reporting,
    case
        when is_same or net = 0 then net
        when is_rated and net is not null then {reported:net}
    end as net_reporting,
    case
        when is_same then 1.0
        when is_rated then cross_rate
    end as rate,
    case
        when is_same then activity_date
        when is_rated then older_date
    end as rate_date,
    case
        when is_same then 'same'
        when is_rated then either_source
    end as rate_source,
    x_source,
    x_partition,
    x_fingerprint,
    x_dlt_load_id
from rated
