# `make` prints the targets. Exported variables, and those on make's own command line, reach every
# command: SOURCES__AWS__BUCKET_URL=s3://bucket/prefix make run-aws
# ARGS is passed on: make test ARGS="-k restated", make run-aws ARGS="--from 2026-01"

python := .venv/bin/python
pipelines := $(python) -m pipelines
installed := .venv/.installed
# Bytecode is kept whatever the shell says: rewriting every test's asserts takes each worker seconds
pytest := PYTHONDONTWRITEBYTECODE= $(python) -m pytest --numprocesses auto --dist worksteal

# Status 1 means that some partitions failed and are named: the others are normalised anyway.
load_and_normalize = status=0; \
	DLT_DESTINATION=filesystem $(pipelines) load $(1) $(ARGS) || status=$$?; \
	if [ $$status -le 1 ]; then DLT_DESTINATION=filesystem $(pipelines) normalize $(1) $(ARGS) || status=$$?; fi; \
	exit $$status

# Every source has its targets: a rule with % has one per source.
sources := $(patsubst pipelines/providers/%/source.toml,%,$(wildcard pipelines/providers/*/source.toml))

.DEFAULT_GOAL := help
.PHONY: help install demo run-etl run-etl-clickhouse $(sources:%=run-%) $(sources:%=run-%-clickhouse) \
	normalize $(sources:%=%-normalize) init-clickhouse clickhouse-up clickhouse-down prune check \
	streaming-up streaming-down streaming-init streaming-smoke connector-deploy \
	focus-check status doctor serve serve-clickhouse report test test-thorough test-clickhouse lint format \
	bench lock clean e2e-validate measure-volume \
	measure-costs monitor-egress poc-backfill

help: ## Print this list
	@awk -v sources="$(sources)" -f scripts/docs/help.awk Makefile

install: ## Create or update .venv from requirements.lock (PYTHON=... names an interpreter)
	@sh scripts/install.sh

$(installed): requirements.lock scripts/install.sh
	@sh scripts/install.sh

demo: $(installed) ## Load, restate and report a made-up company's bills, revenue and trades
	@$(python) -m scripts.demo $(ARGS)

run-etl: $(installed) ## Load every source to local parquet and normalise what changed
	@$(call load_and_normalize,)

run-etl-clickhouse: $(installed) ## Load every source into ClickHouse
	@DLT_DESTINATION=clickhouse $(pipelines) load $(ARGS)

$(sources:%=run-%): run-%: $(installed) ## Load % to local parquet and normalise what changed
	@$(call load_and_normalize,$*)

$(sources:%=run-%-clickhouse): run-%-clickhouse: $(installed) ## Load % into ClickHouse
	@DLT_DESTINATION=clickhouse $(pipelines) load $* $(ARGS)

normalize: $(installed) ## Normalise changed local parquet of every source
	$(pipelines) normalize $(ARGS)

$(sources:%=%-normalize): %-normalize: $(installed) ## Normalise local parquet of %, where it changed
	$(pipelines) normalize $* $(ARGS)

init-clickhouse: $(installed) ## Create or update tables, views and marts in ClickHouse
	$(python) -m scripts.init_clickhouse $(ARGS)

clickhouse-up: $(installed) ## Start a local ClickHouse server
	$(python) -m scripts.local_clickhouse up $(ARGS)

clickhouse-down: $(installed) ## Stop the local ClickHouse server
	$(python) -m scripts.local_clickhouse down

streaming-up: $(installed) ## Start Kafka, the schema registry and Connect without Docker (Java 21, Maven)
	@$(python) -m scripts.streaming up $(ARGS)

streaming-down: $(installed) ## Stop them; topics and schemas stay
	@$(python) -m scripts.streaming down $(ARGS)

streaming-init: $(installed) ## Create tables and topics, register the schema, after checking the contract
	@$(python) -m scripts.streaming init $(ARGS)

streaming-smoke: $(installed) ## Try live trades from a schema to rows in ClickHouse, and what goes wrong
	@$(python) -m scripts.streaming smoke $(ARGS)

connector-deploy: $(installed) ## Deploy ClickHouse's sink to Kafka Connect
	@$(python) -m scripts.streaming connector-deploy $(ARGS)

prune: $(installed) ## List what is older than 13 months; ARGS=--yes removes it
	$(pipelines) prune --keep 13 months $(ARGS)

check: $(installed) ## Run sql/checks and print the offending rows
	$(pipelines) check $(ARGS)

focus-check: $(installed) ## Write the FOCUS dataset to the folder focus and hold it to its rules
	$(pipelines) focus --to focus --check $(ARGS)

status: $(installed) ## Show partitions, rows, cost and age of every source
	$(pipelines) status $(ARGS)

doctor: $(installed) ## Check configuration and connections, and name each fix
	$(pipelines) doctor $(ARGS)

serve: $(installed) ## Show the dashboards from local parquet, in Rill
	@$(python) -m scripts.serve --environment dev $(ARGS)

serve-clickhouse: $(installed) ## Show the dashboards from ClickHouse, in Rill
	@$(python) -m scripts.serve --environment prod $(ARGS)

report: $(installed) ## Write the overview as one HTML page: viz_rill/report.html
	@$(python) -m scripts.report $(ARGS)

test: $(installed) ## Run the quick tests: every guarantee once, in minutes
	$(pytest) -m "not thorough" $(ARGS)

test-thorough: $(installed) ## Run every test, for the night; ARGS=tests/kill runs a part
	$(pytest) $(ARGS)

test-clickhouse: $(installed) ## Run the tests that talk to ClickHouse (TEST_CLICKHOUSE_HOST names a server)
	$(pytest) $(ARGS) \
		$(wildcard tests/clickhouse tests/*/test_*clickhouse*.py tests/*/test_twins_*.py) \
		tests/destinations/test_ingest.py

e2e-validate: $(installed) ## Publish an hour of Deribit into a local ClickHouse and compare it
	$(python) -m scripts.e2e_validate $(ARGS)

measure-volume: $(installed) ## Measure the bytes of a day of Deribit and project them (ARGS="2026-10-31")
	$(python) -m scripts.measure_volume $(ARGS)

measure-costs: $(installed) ## Show what the platform itself costs, and a month by it
	$(python) -m scripts.measure_baseline_costs $(ARGS)

monitor-egress: $(installed) ## Show bytes and cost of data transfer, and warn of two regions
	$(python) -m scripts.monitor_egress $(ARGS)

poc-backfill: $(installed) ## Measure a backfill of Deribit (ARGS="2026-10-01 2026-10-03 --dir data/backfill")
	$(python) -m scripts.poc_backfill $(ARGS)

lint: $(installed) ## Check style, types, SQL and workflows
	$(python) -m ruff check . && $(python) -m ruff format --check .
	$(python) -m mypy && $(python) -m sqlfluff lint --disable-progress-bar sql
	sh scripts/lint_workflows.sh

format: $(installed) ## Rewrite Python files in the project's style
	$(python) -m ruff check --fix . ; $(python) -m ruff format .

bench: $(installed) ## Measure load and normalise against DuckDB and against reading by rows
	$(python) -m scripts.bench $(ARGS)

compile := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	--custom-compile-command "make lock"

lock: ## Resolve pyproject.toml into requirements.lock, and what only runs into requirements-run.lock (needs uv)
	$(compile) --upgrade --group dev --output-file requirements.lock pyproject.toml
	$(compile) --constraint requirements.lock --output-file requirements-run.lock pyproject.toml

clean: ## Remove .venv and caches; data and ClickHouse's files stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
