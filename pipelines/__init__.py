"""Cloud cost, revenue and market data in one place: parquet or ClickHouse, as DLT_DESTINATION says.

A run goes from top to bottom, and what is further down never imports what is further up:

cli/            the commands: the only folder that prints, reads the environment and exits
doctor/         configuration and connections, each problem with its fix
alerts/         tells people once of unusual cost, budgets, late sources, checks, restatements
anonymize/      a copy of what is published, for the public
report/         the overview as one HTML page
focus/          the cost lines as a FOCUS dataset for other tools, and the rules it is held to
streaming/      live trades: Deribit's websocket to Kafka, Kafka to ClickHouse; their contract
marts/          what is computed from the published tables, the checks, the status
core/           registry.py: every source by its name; load.py: plan, run, publish, and the one
                place that builds a dlt.pipeline; partition.py: what all of them say to each other
*_pipeline.py   the dlt sources: what a provider has, and how a partition of it is landed
providers/      a folder per source, all that knows its provider: client, plan, normalize.py with
                the rules, doctor.py
buckets/        where files are delivered: S3, Azure Blob, Google Cloud Storage or a folder, each
                object read exactly as it was listed
bigquery/       queries with their limits, answers as arrow, and what goes wrong in words
normalize/      the local engine: run.py normalises what changed, batch by batch, by those rules
ingest_normalized_pipeline.py
                normalise in CI, then ingest: the published parquet files into ClickHouse
destinations/   how a partition is published whole: filesystem/ and clickhouse/
clickhouse/     server/: where it is, one connection to it, one loader a source; schema/: what sql/
                says, made so or compared
tables/         what is declared once for both destinations: published columns with meaning and
                privacy, ClickHouse's DDL (ddl.py), where tables lie (raw_tables.py), copied columns
                (copied.py, providers/<source>/columns.csv), and the lookups that both twins read
"""

__version__ = "0.2.0"
