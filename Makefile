# Every command of the project. `make demo` and `make test` need only Python 3.11 and the package registries.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BUF_VERSION := 1.75.0
PROTOS := $(wildcard protos/embark/v1/*.proto)
SERVICES := protos/embark/v1/embark.proto protos/embark/v1/retina.proto
SOURCES := sdk operator services samples tests benchmarks

export UV_PYTHON_DOWNLOADS := never
UV = $(shell scripts/uv)
RUN = $(UV) run --frozen --no-sync

.PHONY: help
help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: sync
sync:
	@scripts/uv >/dev/null
	@$(UV) sync --frozen --quiet

.PHONY: models
models: sync  ## Build the two sample models into the cache folder (once)
	@UV=$(UV) $(UV) run --frozen --no-sync python samples/models/build.py

.PHONY: demo
demo: models  ## Show photographs go from OOV to their embeddings (ARGS=--fresh begins anew)
	@$(RUN) python samples/demo/demo.py $(ARGS)

.PHONY: test
test: models  ## Unit, contract and pipeline tests, with the real models
	@$(RUN) pytest -q -m "not integration" $(ARGS)

.PHONY: integration
integration: models  ## Tests against a real Cassandra and Kafka (needs Java 17 and Maven)
	@$(RUN) pytest -q -m integration $(ARGS)

.PHONY: servers
servers: sync  ## Run a Cassandra and a Kafka until Ctrl-C (needs Java 17 and Maven)
	@$(RUN) python tests/servers/run.py

.PHONY: bench
bench: models  ## Measure against bare baselines in the same run; prints a table, writes out/bench.json
	@$(RUN) python benchmarks/bench.py $(ARGS)

.PHONY: generate
generate: STUBS ?= sdk/src
generate: sync  ## Write the gRPC stubs from protos/
	@$(RUN) python -m grpc_tools.protoc -I protos --python_out=$(STUBS) --mypy_out=quiet:$(STUBS) $(PROTOS)
	@$(RUN) python -m grpc_tools.protoc -I protos --grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(SERVICES)

.PHONY: check
check: sync  ## Format, lint, types, layers, protos, and generated files up to date
	@$(RUN) ruff format --check $(SOURCES)
	@$(RUN) ruff check $(SOURCES)
	@$(RUN) mypy sdk/src operator/src services/*/src samples/models samples/demo benchmarks tests sdk/tests operator/tests services/*/tests
	@$(RUN) lint-imports
	@scripts/check-protos $(BUF_VERSION)
	@scripts/check-generated

.PHONY: format
format: sync  ## Format the sources
	@$(RUN) ruff format $(SOURCES)
	@$(RUN) ruff check --fix $(SOURCES)
