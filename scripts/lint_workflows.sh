#!/usr/bin/env sh
# Lint .github/workflows and compose.yaml: zizmor from the environment, actionlint and Docker's
# compose where they are to be had.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/zizmor --offline --quiet .github/workflows
if command -v actionlint >/dev/null; then
    actionlint
elif command -v go >/dev/null && go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7 -version >/dev/null 2>&1; then
    go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
else
    echo "actionlint: skipped, neither it nor Go with a network is here"
fi

if docker compose version >/dev/null 2>&1; then
    # made-up passwords: it refuses to read the file without
    CLICKHOUSE_PASSWORD=x CLICKHOUSE_INGEST_PASSWORD=x docker compose --profile connect config --quiet
else
    echo "docker compose: skipped, it is not here; tests/streaming/test_compose.py holds the file"
fi
