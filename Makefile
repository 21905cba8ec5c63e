# Every target does its own set-up; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
TESTS ?=
SERVE ?= 1
BENCH ?=
FILE ?=
WHEEL ?=
# Each of two processes has half of the tests, with the worlds of their modules; who is done first takes over half of what is left.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
OUTSIDE := ARENA_TEST_SERVER=outside $(PYTEST)
# The files with a test of the outside server, so that no other has to be imported.
MARKED = $$(grep -rl --include='*.py' mark.outside tests)
# What pytest ends with where TESTS picks no test of the outside server.
NONE := 5

.PHONY: help setup demo demo-model vllm bench simulations test test-all browser test-vllm test-formats check-wheel check-docker docs-site docs-serve lint format docs messages check-sample screenshots audit lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/ready ## Make .venv/ with everything but vLLM, and the command `arena` in it

.venv/ready: pyproject.toml requirements/dev.txt package-lock.json scripts/assets.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python scripts/assets.py
	@touch $@

demo: setup ## Run every protocol with built-in participants, print the table, serve the pages (SERVE=0: do not)
	$(BIN)/arena demo $(if $(filter 0,$(SERVE)),,--serve)

vllm: setup ## Set up vLLM for the CPU and two models in .vllm/ (some minutes, once)
	$(BIN)/python scripts/vllm_setup.py

demo-model: vllm ## Run four protocols with a small language model in every seat, some minutes, then serve pages and model (SERVE=0: do not)
	$(BIN)/arena demo --vllm .vllm/smollm2 $(if $(filter 0,$(SERVE)),,--serve)

bench: setup ## Measure many judges at once beside an empty page, some minutes (BENCH="--judges 200 --rate 10 --seconds 60")
	$(BIN)/python -m benchmarks.load $(BENCH)

simulations: setup ## Simulate the coverage of intervals for people and the power of tests, and write the tables into docs/decisions/ (some minutes)
	$(BIN)/python -m benchmarks.coverage
	$(BIN)/python -m benchmarks.power

test: setup browser ## Run the tests, and on an outside server those that may differ there (TESTS="-k quotes" picks some)
	$(PYTEST) -m "not slow" $(TESTS)
	$(OUTSIDE) -m "outside and database and not slow" $(if $(TESTS),$(TESTS),$(MARKED)) || test $$? = $(NONE)

test-all: setup browser ## Run every test, all of the database also on an outside server, with more examples (half an hour)
	$(PYTEST) --hypothesis-profile=thorough $(TESTS)
	$(OUTSIDE) -m "database and not browser" $(TESTS) || test $$? = $(NONE)

browser: setup ## Find a Chromium for the browser tests, or install Debian's
	$(BIN)/python -m scripts.browser

test-vllm: vllm ## Set up vLLM for the CPU in .vllm/ and run the tests that need the real server (TESTS="-m slow": kill it too)
	$(BIN)/python -m pytest -o addopts="-q --strict-markers" --timeout=900 -m "not slow" tests/vllm $(TESTS)

test-formats: setup ## Read exports with Inspect AI, datasets and mlcroissant themselves, in .formats/ (800 MB, once)
	test -x .formats/ready || ($(PYTHON) -m venv .formats && .formats/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements/formats.in && ln -s bin/python .formats/ready)
	$(BIN)/python scripts/check_formats.py

check-wheel: setup ## Build wheel and sdist, install the wheel in a fresh environment and use it there (WHEEL=--fast: with the packages of .venv/)
	$(BIN)/python scripts/check_wheel.py $(WHEEL)

check-docker: setup ## Do the steps of the Dockerfile without an engine, in a temporary folder, and run the arena that comes out
	$(BIN)/python -m scripts.check_docker

lint: setup ## Check format, lint, types and the layers of the design
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Write the generated pages anew
	$(BIN)/python scripts/protocol_pages.py
	$(BIN)/python -m scripts.preset_pages
	$(BIN)/python -m scripts.api_page
	$(BIN)/python -m scripts.check_page
	$(BIN)/python -m scripts.figure_page
	$(BIN)/python -m scripts.privacy_page
	$(BIN)/python -m scripts.module_table
	$(BIN)/python -m app.exchange.columns > docs/data-dictionary.md
	$(BIN)/python -m app.exchange.taskfile > docs/formats/tasks.schema.json
	$(BIN)/python -m app.exchange.archive > docs/formats/archives.schema.json
	$(BIN)/python -m app.studies.spec > docs/formats/study-files.schema.json

docs-site: .site/ready ## Build the documentation's site into .site/html, and fail at a broken link
	.site/bin/mkdocs build --strict --quiet

docs-serve: .site/ready ## Serve the documentation's site while you write (http://127.0.0.1:8008)
	.site/bin/mkdocs serve --dev-addr 127.0.0.1:8008

.site/ready: requirements/docs.txt
	$(PYTHON) -m venv .site
	.site/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/docs.txt
	@touch $@

messages: setup ## Collect the words of participants' pages into app/translations/, for translators
	$(BIN)/python -m scripts.messages

check-sample: setup ## Check that nothing but the facts tells the answers of the sample (FILE=my-set.jsonl: of another task set)
	$(BIN)/python -m scripts.check_sample $(FILE)

screenshots: setup browser ## Take the pictures in docs/images/ anew
	$(BIN)/python -m scripts.screenshots

audit: setup ## Ask for known weaknesses of what is installed (needs the network)
	test -x .audit/bin/pip-audit || ($(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit)
	.audit/bin/pip-audit --require-hashes --disable-pip --requirement requirements/base.txt

lock: setup ## Resolve the dependencies anew into requirements/
	$(BIN)/python scripts/lock.py

clean: ## Remove what the targets made, the embedded database in var/ excepted
	rm -rf .venv .vllm .formats .audit .site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
