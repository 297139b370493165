#!/usr/bin/env sh
# A ClickHouse on this machine with every table, compared with sql/.
set -eu
cd "$(dirname "$0")/../../.."

.venv/bin/python -m scripts.local_clickhouse status >/dev/null 2>&1 || make clickhouse-up
CLICKHOUSE_MODE=local make init-clickhouse
CLICKHOUSE_MODE=local .venv/bin/python -m pipelines migrate --validate
