#!/usr/bin/env sh
# The way to ClickHouse Cloud, step by step, then its tables. The variables come from the shell.
set -eu
cd "$(dirname "$0")/../../.."

.venv/bin/python -m scripts.test_connection_cloud
CLICKHOUSE_MODE=cloud make init-clickhouse
