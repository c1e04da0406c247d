# `make run` and `make test` set up everything that they need. They require Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
PACKS := airline banking_knowledge mock retail telecom
INTEGRATIONS := eval-protocol gymnasium opentelemetry sandbox-bubblewrap
DOMAIN ?= airline
INSTALLED := .venv/.installed

.PHONY: install run test coverage test-lowest interop check format docs bench clean

run: install
	$(BIN)/tau2-gym demo $(DOMAIN)

# Bytecode is written so that the workers compile the tests only once; idle workers take tests from busy ones.
# There is one worker more than processors, since some tests wait for a server.
test: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $$(($$($(BIN)/python -c 'import os; print(os.cpu_count())') + 1)) --dist worksteal

# The lines that the tests execute, including those in child processes: a table, and a page for each file in htmlcov/.
coverage: install
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered --cov-report=html

# The suite with the lowest versions that the metadata allows, in a separate environment; some tests call its pip.
test-lowest: install
	test -x .venv-lowest/tools/bin/uv || ($(PYTHON) -m venv .venv-lowest/tools && .venv-lowest/tools/bin/python -m pip install -q uv)
	.venv-lowest/tools/bin/uv venv -q --seed --clear --python $(BIN)/python .venv-lowest/env
	.venv-lowest/tools/bin/uv pip install -q --python .venv-lowest/env/bin/python --resolution lowest-direct \
		-e 'core[models,new,stats,parquet,openenv]' $(PACKS:%=-e domains/%) $(INTEGRATIONS:%=-e integrations/%) -e workbench -e '.[dev]'
	.venv-lowest/env/bin/python -m pytest -n auto

# Tests against third-party clients (mcp 1.x, eval-protocol, TRL, verifiers, Node's), each in a separate environment.
interop: install
	$(BIN)/python -m pytest tests/interop

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file integrations/mypy.ini
	$(BIN)/lint-imports
	$(BIN)/tau2-gym check $(PACKS)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The documentation site, in build/site: `python -m http.server -d build/site` serves it. Warnings are errors.
docs: install
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m scripts.docs_pages
	$(BIN)/zensical build --strict --clean

bench: install
	$(BIN)/python -m benchmarks

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt core/pyproject.toml workbench/pyproject.toml $(PACKS:%=domains/%/pyproject.toml) $(INTEGRATIONS:%=integrations/%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tau2-gym needs Python 3.11 or newer; set PYTHON=python3.12, say")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e 'core[models,new,stats,parquet,openenv]' $(PACKS:%=-e domains/%) $(INTEGRATIONS:%=-e integrations/%) -e workbench -e '.[dev]'
	@$(BIN)/tau2-gym --version && $(BIN)/tau2-gym domains >/dev/null && echo "It is installed and finds its domains: $(PACKS). See $(BIN)/tau2-gym -h"
	@touch $@

clean:
	rm -rf .venv runs htmlcov .coverage
