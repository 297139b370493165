#!/usr/bin/env sh
# Lint .github/workflows: zizmor from the environment, actionlint where it is to be had.
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
