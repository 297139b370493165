-- one row per record of Deribit's live trades that could not be read in the last seven days
-- The record is in the topic's dead letter topic, as long as that keeps it: docs/streaming.md.
select
    kafka_topic,
    kafka_partition,
    kafka_offset,
    reason,
    failed_at
from deribit__live_dead_letters
where failed_at > now() - interval 7 day
order by kafka_topic, kafka_partition, kafka_offset
