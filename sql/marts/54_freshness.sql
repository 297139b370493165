-- one row per source: what it delivered last, and when its last load ended
-- Live trades, where there are any, have a row of their own, deribit_live: no load brings them, and
-- how old their newest row is says whether the stream lives.
-- as of now
-- A load that found nothing new has a row in `runs`, too: one that never ended has none.
with ended as (
    select
        word,
        ended_at,
        outcome,
        row_number() over (partition by word order by ended_at desc, started_at desc) as nth
    from runs
    where word in ({source_names})
),

last_runs as (
    select
        word,
        max(case when nth = 1 then ended_at end) as last_run,
        max(case when nth = 1 then outcome end) as last_run_outcome,
        max(case when outcome = 'well' then ended_at end) as last_good_run
    from ended
    group by word
),

every as (
    select
        source,
        partitions,
        newest_partition,
        newest_delivery,
        newest_publishing,
        newest_day,
        null as last_run,
        null as last_run_outcome,
        null as last_good_run
    from newest_deliveries
    union all
    select
        word as source,
        null as partitions,
        null as newest_partition,
        null as newest_delivery,
        null as newest_publishing,
        null as newest_day,
        last_run,
        last_run_outcome,
        last_good_run
    from last_runs
    union all
    select
        'deribit_live' as source,
        null as partitions,
        max(trade_date) as newest_partition,
        max(written_at) as newest_delivery,
        max(written_at) as newest_publishing,
        max(cast(substring(trade_date, 1, 10) as date)) as newest_day,
        null as last_run,
        null as last_run_outcome,
        null as last_good_run
    from deribit__live_trades
    having count(*) > 0
)

select
    every.source as source,
    max(every.partitions) as partitions,
    max(every.newest_partition) as newest_partition,
    max(every.newest_delivery) as newest_delivery,
    max(every.newest_publishing) as newest_publishing,
    max(every.newest_day) as newest_day,
    max(every.last_run) as last_run,
    max(every.last_run_outcome) as last_run_outcome,
    max(every.last_good_run) as last_good_run
from every
group by every.source
order by source
