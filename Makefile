# The commands for developers and CI. Each target prepares .venv itself.
# ARGS passes arguments on:  make test ARGS="-k journal"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
MUTATION := $(VENV)/mutation
ARGS ?=

# Tests start the program hundreds of times. Without its bytecode each of these would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-quick soak check mutate screenshots bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## only prepare .venv

demo: $(RUNS) ## the app on an embedded lab with a bad canary in production
	@$(BIN)/shiftdeck demo --drill bad-canary $(ARGS)

# Without ARGS there are two parts, so that a plain mistake shows first. Tests wait more than they compute, also those of
# the app: there are more workers than cores (of 2).
test: $(READY) ## all tests
ifeq ($(strip $(ARGS)),)
	@status=0; \
	$(BIN)/pytest -rs -n 4 --dist loadfile --no-loadscope-reorder tests/unit tests/field tests/conformance tests/app || status=1; \
	$(BIN)/pytest -rs -n 4 --dist loadfile --no-loadscope-reorder tests/contract tests/e2e tests/soak || status=1; \
	exit $$status
else
	$(BIN)/pytest $(ARGS)
endif

test-quick: $(READY) ## the tests that need no server and no terminal, in about 2 minutes
	$(BIN)/pytest -rs -n 4 --dist loadfile --no-loadscope-reorder tests/unit tests/field tests/conformance tests/app $(ARGS)

soak: $(READY) ## long runs: faults, kills, rivals, clocks, signals; docs/testing.md
	$(BIN)/python -m tests.soak $(ARGS)

check: $(READY) ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutate: $(READY) $(MUTATION)/.ready ## would the tests notice? a sample of changed programs, docs/testing.md
	$(MUTATION)/bin/python -m tests.mutation --python $(BIN)/python $(ARGS)

screenshots: $(READY) ## pictures of the running app, into screenshots/
	$(BIN)/python -m tests.e2e.screenshots $(ARGS)

bench: $(READY) ## measure, print, and write bench-*.json
	$(BIN)/python -m tests.bench $(ARGS)

clean: ## remove the files that these targets made, also .venv
	rm -rf $(VENV) dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis bench-*.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

MADE_FROM := pyproject.toml uv.lock scripts/prepare-venv

$(RUNS): $(MADE_FROM)
	@scripts/prepare-venv $(VENV)
	@touch $@

$(READY): $(MADE_FROM)
	@scripts/prepare-venv $(VENV) dev
	@touch $(RUNS) $@

$(MUTATION)/.ready: $(MADE_FROM)
	@scripts/prepare-venv $(MUTATION) mutation
	@touch $@
