-- the database, and the tables about every source

create database if not exists {database};

-- one row per publishing of a partition: the history of restatements
create table if not exists deliveries (
    {columns:deliveries}
)
engine = MergeTree
order by (word, "partition", published_at)
comment 'The publishing history of every partition.';

-- one row per run of a source that ended, whether it found anything new or not: the heartbeat
create table if not exists runs (
    {columns:runs}
)
engine = MergeTree
order by (word, ended_at)
comment 'When the loads of every source ended, and how.';

-- one row per partition that the provider had when a load last listed it
create table if not exists provider_partitions (
    word LowCardinality(String) comment 'Name of the source, such as aws.',
    "partition" String comment 'The partition.',
    fingerprint String comment 'Fingerprint of the delivery.',
    delivered_at DateTime64(6, 'UTC') comment 'When the provider wrote the delivery.',
    seen_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When the delivery was listed.'
)
engine = ReplacingMergeTree(seen_at)
order by (word, "partition")
comment 'Partitions that the providers have, for the checks.';

-- one row per partition and account or dataset that it was read for, at the last reading
create table if not exists readings (
    word LowCardinality(String) comment 'The source''s name.',
    "partition" String comment 'The partition.',
    member String comment 'What was read of it, such as an account; empty where it is one whole.',
    read_at DateTime64(6, 'UTC') comment 'When reading began, whether it changed anything or not.',
    noted_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When that was noted.'
)
engine = ReplacingMergeTree(noted_at)
order by (word, "partition", member)
comment 'When every partition was last read: what was read too early is read again.';

-- one row per source whose old partitions were pruned
create table if not exists retention (
    word LowCardinality(String) comment 'Name of the source, such as aws.',
    first_kept String comment 'The first partition that is kept, such as 2025-11.',
    removing Array(String) comment 'Partitions that are being removed; empty when that is done.',
    pruned_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When they were pruned.'
)
engine = ReplacingMergeTree(pruned_at)
order by word
comment 'First kept partition of every pruned source: a load begins there.';

-- one row per event and channel that it was told to
create table if not exists alerts (
    event String comment 'Key of the event, such as check/freshness.',
    channel LowCardinality(String) comment 'webhook, mail or issue.',
    is_over UInt8 comment '1 once it is over: it is told again when it comes back.',
    noted_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When that was noted.'
)
engine = ReplacingMergeTree(noted_at)
order by (event, channel)
comment 'What was told by which channel: each event once.';
