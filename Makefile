# Every target needs Python 3.11 or newer and nothing else: it builds .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Build dependencies (hatchling) are pinned as well; pip reads one variable or the other, depending on its age.
PIP_PINS := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
PIP := $(PIP_PINS) $(BIN)/python -m pip install \
	--quiet --disable-pip-version-check
PYTEST := HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-$(if $(CI),ci,default)} $(BIN)/python -m pytest -n 2 --dist loadscope

.PHONY: demo test quick extended chaos lint mutate clean benchmarks docs gallery screenshots package

demo: $(VENV)/.run
	rm -rf demo-report
	$(BIN)/regretlab demo --out demo-report

test: lint
	$(PYTEST) -m "not extended"

quick: lint
	$(PYTEST) -m "not slow and not extended"

extended: lint
	$(PYTEST) -m extended

chaos: $(VENV)/.dev
	$(BIN)/python -m tests.chaos

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmarks: $(VENV)/.run
	$(PIP) -c constraints.txt -e '.[peers]'
	$(BIN)/python -m benchmarks

mutate: $(VENV)/.dev
	$(PIP) -c constraints.txt -e '.[mutation]'
	$(BIN)/python -m tests.mutation

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "documentation: site/index.html"

screenshots: docs
	$(BIN)/python -m website.screenshots

gallery: $(VENV)/.docs
	$(BIN)/python -m website.gallery

DIST ?= dist
package: $(VENV)/.package
	rm -rf $(DIST)
	$(PIP_PINS) $(BIN)/python -m build --outdir $(DIST)
	$(BIN)/python -m twine check --strict $(DIST)/*

clean:
	rm -rf $(VENV) demo-report build dist site site-screenshots .docs-cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.python: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "regretlab needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(PIP) -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.package: $(VENV)/.run
	$(PIP) -c constraints.txt -e '.[package]'
	@touch $@
