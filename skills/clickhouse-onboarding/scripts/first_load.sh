#!/usr/bin/env sh
# Load what is configured into ClickHouse, show it, check it.
set -eu
cd "$(dirname "$0")/../../.."

make run-etl-clickhouse
.venv/bin/python -m pipelines status --destination clickhouse
.venv/bin/python -m pipelines check --destination clickhouse
