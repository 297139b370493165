-- one row per configured source whose last load that ended well is older than two days
-- A load that found nothing new ends well, too; a source that never ran has no row here.
select
    word,
    max(case when outcome = 'well' then ended_at end) as last_good_run,
    max(ended_at) as last_run
from runs
where word in ({in_use})
group by word
having coalesce(max(case when outcome = 'well' then ended_at end), min(ended_at))
    < now() - interval 2 day
order by word
