-- one row per Deribit instrument with an unknown name, or with trades without a value in USD
-- Spot of one coin against another has no value in USD: the trade carries no rate.
select
    instrument_name,
    kind,
    count(*) as trades,
    sum(case when price_usd is null then 1 else 0 end) as without_price,
    sum(case when notional_usd is null then 1 else 0 end) as without_notional
from trades
where kind = 'unclassified'
    or (kind <> 'spot' and (price_usd is null or notional_usd is null))
group by instrument_name, kind
order by instrument_name
