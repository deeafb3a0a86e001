# `make` alone lists what there is. Everything is installed into .venv; nothing here needs it to be activated.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LRS := .venv-lrs/.installed
NODE_PACKAGES := tests/node/node_modules/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
FUZZ_SECONDS ?= 1800
FUZZ_SEED := $(or $(FUZZ_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d " "))
DIST := dist
# Tests wait more than they work, for browsers and databases: three at a time keep two processors busy.
SIDE_BY_SIDE := --numprocesses 3 --dist loadfile
MODULES := rtc_server/focus/*
TESTS := tests/focus
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup run check test test-packages image-test lint docs bench dist fuzz mutate lock clean
.SILENT:

help: ## list these targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## make .venv and install the locked packages into it

# The lock holds every package, so nothing is resolved (--no-deps) and nothing unlisted gets in (--require-hashes).
$(STAMP): requirements-dev.lock pyproject.toml
	[ -x $(BIN)/python ] || { python=$$(scripts/find-python.sh) && \
		echo "Making $(VENV) with $$($$python --version)" && $$python -m venv $(VENV); }
	echo "Installing $$(grep -c '==' requirements-dev.lock) locked packages into $(VENV) (a minute or two)"
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	echo "Installing rtc-server itself, editable"
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

run: setup ## start the server in demo mode on http://127.0.0.1:8080
	exec $(BIN)/rtc-server serve --demo

check: setup lint ## what one runs all day: lint, types and the pure tests, in seconds
	scripts/timed.sh "pure tests" $(BIN)/python -m pytest -q -m pure --numprocesses 2 --dist loadfile

test: setup test-packages lint ## the whole: Debian packages, linters, types, layers, all tests
	scripts/timed.sh "all tests" $(BIN)/python -m pytest -q $(SIDE_BY_SIDE) --durations=10 --durations-min=5

test-packages:
	scripts/install-test-packages.sh
	$(MAKE) --no-print-directory $(NODE_PACKAGES) $(LRS)

# A real Learning Record Store, apart from .venv: it pins other versions of what both need.
$(LRS): requirements-lrs.lock
	[ -x .venv-lrs/bin/python ] || $$(scripts/find-python.sh) -m venv .venv-lrs
	echo "Installing a Learning Record Store for the tests into .venv-lrs"
	.venv-lrs/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --no-deps \
		-r requirements-lrs.lock
	touch $@

image-test: setup ## build the container's image without Docker, run it, store a learner in it (about two minutes)
	scripts/install-test-packages.sh image
	exec $(BIN)/python -m pytest -q -m image tests/image

$(NODE_PACKAGES): tests/node/package-lock.json
	command -v npm >/dev/null || scripts/install-test-packages.sh
	echo "Installing the locked npm packages of the tests and linters into tests/node"
	npm ci --prefix tests/node --silent
	touch $@

lint: setup $(NODE_PACKAGES) ## ruff, mypy --strict, the types of static/, the import contracts
	scripts/timed.sh "ruff check" $(BIN)/ruff check --quiet .
	scripts/timed.sh "ruff format --check" $(BIN)/ruff format --check --quiet .
	scripts/timed.sh "mypy --strict" $(BIN)/mypy --no-error-summary
	scripts/timed.sh "tsc --checkJs" tests/node/node_modules/.bin/tsc --project tests/node
	scripts/timed.sh "import contracts" $(BIN)/lint-imports >$(VENV)/lint-imports.log || \
		{ cat $(VENV)/lint-imports.log; exit 1; }

docs: setup ## write the tables of commands, settings and metrics anew from the code
	$(BIN)/python -m docs.readme_tables
	exec $(BIN)/python -m docs.metrics_table

bench: setup ## measure this machine for an hour or two, and write docs/benchmarks.md
	exec $(BIN)/python -m bench --write

dist: setup ## build the wheel into dist/
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(DIST) .

fuzz: setup ## hostile input for FUZZ_SECONDS (1800) in all, from a new seed; the test run gives it 60
	echo "RTC_FUZZ_SEED=$(FUZZ_SEED)"
	RTC_FUZZ_SECONDS=$(FUZZ_SECONDS) RTC_FUZZ_SEED=$(FUZZ_SEED) exec $(BIN)/python -m pytest -q --timeout 0 tests/fuzz

mutate: setup ## list the changes to MODULES that none of TESTS notices (mutmut; a second for each)
	scripts/mutate.sh $(VENV) "$(MODULES)" "$(TESTS)"

COMPILE = $$tools/bin/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet
# What [tool.uv] in pyproject.toml overrides is resolved for a platform that does not exist. It is dropped here.
DROP_UNUSED := awk '/^[a-z]/ { keep = !/sys_platform == .never./ } keep'

lock: setup ## write the requirements*.lock files anew from pyproject.toml
	tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(BIN)/python -m venv $$tools && \
	$$tools/bin/python -m pip --disable-pip-version-check -qq install uv==$(UV_VERSION) && \
	echo "matplotlib; sys_platform == 'never'" >$$tools/without-plot && \
	$(COMPILE) pyproject.toml --override $$tools/without-plot --output-file requirements.lock && \
	$(COMPILE) pyproject.toml --extra plot --group dev --output-file requirements-dev.lock && \
	$(COMPILE) --group build --output-file requirements-build.lock && \
	$(COMPILE) --group lrs --output-file requirements-lrs.lock && \
	for lock in requirements.lock requirements-dev.lock; do \
		$(DROP_UNUSED) $$lock >$$tools/lock && cat $$tools/lock >$$lock || exit 1; done

clean: ## remove .venv and what the tools leave behind; var/ (the demo's database) stays
	rm -rf $(VENV) .venv-lrs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
