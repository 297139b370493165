#!/usr/bin/env sh
# What is configured and what is reachable, each problem with its fix. Changes nothing.
set -eu
cd "$(dirname "$0")/../../.."

.venv/bin/python -m pipelines doctor --destination clickhouse || status=$?
# 1: something is bad and named above; 2: nothing is configured yet
exit "$([ "${status:-0}" -le 2 ] && echo 0 || echo "$status")"
