# `make help` says what there is.
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
IS_COMPILED := $(BIN)/python -c 'import dsl.peek, streams.scan, streams.stored' 2>/dev/null
IS_NEW_ENOUGH := -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
# The distribution's first: it is built with profiles, and a sixth faster than a plain build (docs/performance.md).
PYTHON ?= $(shell for each in /usr/bin/python3 python3.11 python3 python3.12 python3.13; do \
	$$each $(IS_NEW_ENOUGH) && echo $$each && break; done)

.DEFAULT_GOAL := help
.PHONY: help install run test lint fmt types imports unit go-test deploy-tools deploy-test integration plugins plugin-test \
	cluster-test image chaos outage fuzz sanitize bench lock clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(RUNTIME) ## build .venv with what BeTrace needs to run

run: install ## start BeTrace on an embedded broker, with a made-up shop
	@$(BIN)/betrace dev

test: lint types imports unit go-test deploy-test integration plugin-test ## everything that has to pass

lint: $(DEV) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(DEV) ## let ruff put things right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## mypy, strict
	$(BIN)/mypy

imports: $(DEV) ## app → streams → dsl, and one home for each dependency
	$(BIN)/lint-imports --no-logo

unit: $(DEV) ## tests without a broker of their own
	$(BIN)/pytest tests $(foreach part,integration chaos deploy cluster grafana,--ignore tests/$(part))

go-test: ## the Collector's processors that sign and verify spans
	@$(MAKE) --no-print-directory -C collector test

deploy-tools:
	@scripts/tools
	@for tool in helm kubeconform kube-score promtool; do scripts/deploy-tool $$tool >/dev/null || exit 1; done

deploy-test: $(DEV) deploy-tools ## the chart, the compose file, alert rules, by Helm's, Kubernetes' and Prometheus' own tools
	$(BIN)/pytest tests/deploy

integration: $(DEV) deploy-tools ## tests on a real Apache Kafka, with a real Collector
	@scripts/kafka-jars >/dev/null
	@scripts/collector >/dev/null
	@collector/scripts/otelcol >/dev/null
	@collector/scripts/doubles >/dev/null
	@grafana/datasource/scripts/built >/dev/null
	@[ "$$(id -u)" -ne 0 ] || scripts/image >/dev/null
	$(BIN)/pytest tests/integration tests/chaos

cluster-test: $(DEV) deploy-tools ## the chart on a real Kubernetes API server, which is built once: ten minutes
	@for tool in etcd kube-apiserver; do scripts/deploy-tool $$tool >/dev/null || exit 1; done
	$(BIN)/pytest tests/cluster

image: $(DEV) ## what deploy/Dockerfile makes, as a folder, and what is in it as build/sbom.json; needs root, and no Docker
	@mkdir -p build
	@scripts/image
	@scripts/sbom build/sbom.json

plugins: ## the plugins for Grafana, for all its platforms, as dist/*.zip
	@scripts/plugins

plugin-test: $(DEV) ## the plugins for Grafana: lint, types, tests, packages, and a browser on a real Kafka
	@scripts/node-modules
	@scripts/kafka-jars >/dev/null
	@cd grafana && npm run --silent check
	@$(MAKE) --no-print-directory -C grafana/datasource test
	$(BIN)/pytest tests/grafana

MINUTES ?= 10
SEED ?= $(shell od -An -N2 -tu2 /dev/urandom)
chaos: $(DEV) ## break everything for MINUTES=10 by SEED, and check all verdicts
	@scripts/kafka-jars >/dev/null
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(CHAOS)

outage: $(DEV) ## have the endpoint of evidence away for MINUTES=10, and kill a worker meanwhile
	@scripts/kafka-jars >/dev/null
	@scripts/collector >/dev/null
	$(BIN)/python -m tests.integration.outage --minutes $(MINUTES)

fuzz: $(DEV) requirements-fuzz.lock ## an hour of random bytes for the parser, one for ingest, 100,000 random rules for the oracle
	@$(PIP) --require-hashes -r requirements-fuzz.lock
	$(BIN)/python -m tests.fuzz -max_total_time=3600 -rss_limit_mb=1024 -artifact_prefix=$${TMPDIR:-/tmp}/
	$(BIN)/python -m tests.fuzz_ingest -max_total_time=3600 -rss_limit_mb=1024 -artifact_prefix=$${TMPDIR:-/tmp}/
	BETRACE_ORACLE_PAIRS=100000 $(BIN)/pytest tests/dsl/test_oracle.py -o timeout=7200

sanitize: $(DEV) ## tests of what is compiled, with every memory access checked: two minutes
	scripts/sanitized

bench: $(DEV) ## how fast, beside a Collector that samples: half an hour, or QUICK=1
	@scripts/kafka-jars >/dev/null
	@scripts/collector bench/collector.yaml >/dev/null
	$(BIN)/python -m bench $(if $(QUICK),--quick)

LOCK := $(BIN)/uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-header
lock: $(DEV) ## pin what pyproject.toml asks for, keeping the pins that still fit
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --group build --group dev -o requirements-dev.lock
	echo atheris==3.0.0 | $(BIN)/uv pip compile - -q --universal --python-version 3.11 --generate-hashes --no-header -o requirements-fuzz.lock

clean: ## remove what was built
	rm -rf $(VENV) build *.egg-info dsl/*.c dsl/*.so streams/*.c streams/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(or $(PYTHON),false) $(IS_NEW_ENOUGH) || \
		{ echo "BeTrace needs Python 3.11 or later, with venv; say where it is: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.lock pyproject.toml setup.py $(wildcard */*.pyx) | $(BIN)/python
	@echo "installing what requirements.lock names into $(VENV)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(IS_COMPILED) || echo "what is hot is not compiled: all works, but slower. scripts/compiler and make -B install put that right"
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "installing what requirements-dev.lock names into $(VENV)"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(IS_COMPILED) || { scripts/compiler $(BIN)/python && $(PIP) --no-deps --no-build-isolation --editable .; }
	@$(IS_COMPILED)
	@touch $@
