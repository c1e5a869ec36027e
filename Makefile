# The project's commands. Each makes what it needs: Python >= 3.11 with venv, make and git are enough.
#   make demo [ONCE=1] [RECIPIENTS=n] [PORT=8080]   the whole line on this machine, with simulators
#   make test        style, types, import contracts, tests          make test-long   the runs that take minutes
#   make bench       capacity on this machine                       make docs        write the generated pages again
#   make lock        resolve the dependencies again                 make clean       remove everything that was made
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
DATA ?= .gateway
# the first Python on the path that is new enough
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
PYTEST_ARGS ?=
# what fills a core or keeps to a clock has one for itself, behind the rest, of which most waits most of the time
ALONE := $(addprefix tests/,bench faults flows/test_checking.py flows/test_examining.py journey peers/test_sip.py test_demo.py)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-long bench docs lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.run
	@$(BIN)/gateway demo $(if $(ONCE),--once) $(if $(RECIPIENTS),--recipients $(RECIPIENTS)) $(if $(PORT),--port $(PORT)) --data $(DATA)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not long" -n 4 --dist loadfile $(ALONE:%=--ignore=%) $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m "not long" -n 3 --dist loadfile --no-loadscope-reorder $(ALONE) $(PYTEST_ARGS)

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long --timeout=3600 $(PYTEST_ARGS)

bench: $(VENV)/.run
	@$(BIN)/gateway bench all $(BENCH_ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m tools.pages

# Hashes of every file, no address of any index. uv comes and goes with its own folder.
lock: $(BIN)/python
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip --disable-pip-version-check install --quiet uv
	compile() { $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --upgrade pyproject.toml tools/build.in "$$@"; }; \
	compile --output-file requirements.lock; \
	compile --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	rm -rf $(VENV)/lock

clean:
	@if [ -f $(DATA)/postgres.home ]; then rm -rf -- "$$(cat $(DATA)/postgres.home)"; fi
	rm -rf -- $(VENV) $(DATA) build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf -- {} +

# The environment is made again only when what it is made from changes.
$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed and none was found" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP) install --quiet --no-compile --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	touch $@

$(VENV)/.dev: pyproject.toml requirements-dev.lock $(VENV)/.run
	$(PIP) install --quiet --no-compile --require-hashes -r requirements-dev.lock
	$(PIP) check
	touch $@
