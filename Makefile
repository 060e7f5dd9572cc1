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
IN_TWO := -n 2 --dist worksteal
TESTING = PYTHONPATH=.:tests $(RUN) python -m embark_testing

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: sync
sync:
	@scripts/uv >/dev/null
	@$(UV) sync --frozen --quiet

.PHONY: models
models: sync  ## Build the two sample models into the cache folder (once)
	@UV=$(UV) $(UV) run --frozen --no-sync python -m samples.models.build

.PHONY: demo
demo: models  ## Show photographs go from OOV to their embeddings (ARGS=--fresh starts over)
	@$(RUN) python -m samples.demo.demo $(ARGS)

# The tests of one package, for the inner loop: make test PKG=kfc
TESTS_sdk := sdk/tests
TESTS_operator := operator/tests
TESTS = $(if $(PKG),$(or $(TESTS_$(PKG)),services/$(PKG)/tests))

.PHONY: test
test: models  ## Unit, contract and pipeline tests with the real models (PKG=kfc for one package)
	@$(RUN) pytest -q -m "not integration and not cluster and not e2e" $(IN_TWO) --durations=10 $(TESTS) $(ARGS)

.PHONY: integration
integration: models  ## Tests against a real Cassandra and Kafka (needs Java 17 and Maven)
	@$(RUN) pytest -q -m integration --durations=10 $(ARGS)

.PHONY: servers
servers: sync  ## Run a Cassandra and a Kafka until Ctrl-C (ARGS="--brokers 3 --nodes 2" for more)
	@$(TESTING).servers.run $(ARGS)

.PHONY: cluster-programs
cluster-programs: sync  ## Build the programs of make cluster from Go modules into the cache folder (once)
	@$(TESTING).cluster.binaries

.PHONY: cluster
cluster: sync  ## Run a real Kubernetes here, as root: builds it from Go modules, installs missing Debian packages
	@EMBARK_INSTALL=1 $(TESTING).cluster.up

.PHONY: cluster-down
cluster-down: sync  ## Stop that Kubernetes and remove all its files
	@$(TESTING).cluster.down

.PHONY: cluster-load
cluster-load: sync  ## Load the archives of make images ARGS="--save out/images" into that Kubernetes
	@$(TESTING).cluster.load out/images/*.tar

.PHONY: cluster-test
cluster-test: sync  ## Tests against a real API server without nodes (builds it from Go modules, once)
	@$(TESTING).cluster.binaries etcd kubernetes cyclonus
	@$(RUN) pytest -q -m cluster $(IN_TWO) --durations=10 $(ARGS)

.PHONY: kind
kind: sync  ## Create a kind cluster instead, with Docker and kind
	@$(TESTING).cluster.kind_cluster

.PHONY: images
images: sync  ## Build the images of the services and the operator, with Docker or Buildah (ARGS=--help)
	@EMBARK_INSTALL=1 $(TESTING).cluster.images $(ARGS)

.PHONY: e2e
e2e: models  ## Tests on the cluster of KUBECONFIG, else of kind, else of make cluster
	@EMBARK_INSTALL=1 $(TESTING).cluster.run_in $(KEEP) -- $(RUN) pytest -q -m e2e --durations=10 tests/e2e $(ARGS)

.PHONY: bench
bench: models  ## Measure against bare baselines in the same run; prints a table, writes out/bench.json
	@PYTHONPATH=.:tests $(RUN) python -m benchmarks.bench $(ARGS)

.PHONY: generate
generate: STUBS ?= sdk/src
generate: CRDS ?= crds/embark.dev_embeddingcaches.yaml charts/embark/files/embeddingcaches.yaml
generate: sync  ## Write the gRPC stubs from protos/, the CRD from the spec
	@$(RUN) python -m grpc_tools.protoc -I protos --python_out=$(STUBS) --mypy_out=quiet:$(STUBS) $(PROTOS)
	@$(RUN) python -m grpc_tools.protoc -I protos --grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(SERVICES)
	@$(RUN) python -m embark_operator.crd $(CRDS)

.PHONY: check
check: sync  ## Format, lint, words, types, layers, protos, and generated files up to date
	@scripts/check-language
	@$(RUN) ruff format --check $(SOURCES)
	@$(RUN) ruff check $(SOURCES)
	@$(RUN) mypy sdk/src operator/src services/*/src samples benchmarks tests sdk/tests operator/tests services/*/tests
	@$(RUN) lint-imports
	@scripts/check-protos $(BUF_VERSION)
	@scripts/check-generated

.PHONY: format
format: sync  ## Format the sources
	@$(RUN) ruff format $(SOURCES)
	@$(RUN) ruff check --fix $(SOURCES)
