"""Cloud cost, revenue and market data in one place: parquet or ClickHouse, as DLT_DESTINATION says.

The map, in the order in which a run goes through it:

__main__.py     the commands: the only place that reads the environment and sets an exit status;
                commands_clickhouse.py, options.py, console.py and report.py are parts of it
load.py         plan, run, publish: compares fingerprints, lands each changed partition, lets dlt
                carry it; the one place that builds a dlt.pipeline
sources.py      the registry: every source by its word, imported when it is asked for
aws_pipeline.py the aws source: one listing is the plan, a billing period is the unit; aws/ is what
                it is made of: the bucket, the exports in it, landing a file, untouched if it can be
google_bq_incremental_pipeline.py
                the gcp source: one aggregate query per table is the plan, an export day is the
                unit; gcp/ is what it is made of: exports, days, columns, pages of rows, limits
stripe_pipeline.py
                Stripe's ledger by creation month; stripe/ has client, calendar and allow-list
fx_pipeline.py  the ECB's exchange rates by year; fx/ reads its file
landing.py      what sources without files of their own share: rows as parquet
ingest_normalized_pipeline.py
                normalise in CI, then ingest: the published parquet files into ClickHouse
destinations/   how a partition is published whole: store.py on disk and on object stores,
                warehouse.py on ClickHouse; filesystem.py and clickhouse.py make dlt do it
normalize/      schema.py is the one shape; run.py normalises what changed, with <word>.py's rules,
                batch by batch (batches.py), and keeps marts and history
clickhouse/     config.py and manager.py: where the server is, and one connection to it; migrate.py
                and compare.py: what sql/ says, made so or compared; lease.py: one loader per word
catalogue.py    the filesystem destination as DuckDB sees it, under ClickHouse's table names
marts.py        the marts that are computed from others, by sql/marts
checks.py       sql/checks on both destinations: each returns the offending rows
status.py       what is published, partition by partition
doctor.py       configuration and connections, each problem with its fix: a Finding of findings.py;
                doctor_<word>.py examines a source, doctor_settings.py and doctor_clickhouse.py
                ClickHouse
partitions.py   what all of them say to each other: partition, delivery, a user's error
lock.py         one run per word on a machine
"""
