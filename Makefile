# Thin on purpose: every target calls a script.  Parameters come by environment; .env.example has them all.
PYTHON := .venv/bin/python

.PHONY: help setup run test-setup test test-quick test-all bench lock format clean
.DEFAULT_GOAL := help

help:
	@echo "make run         set everything up and run the cloud here, until Ctrl-C"
	@echo "make setup       the set-up alone"
	@echo "make test        all checks and tests; test-quick: those under a minute; test-all: the long ones as well"
	@echo "make bench       the measurements in benchmarks/"
	@echo "make format      let the formatter and the linter repair what they can"
	@echo "make lock        write anew what pip and npm resolve below our pinned versions"
	@echo "make clean       remove what set-up made here; DATA_DIR stays"

setup:
	@scripts/bootstrap.sh run

run: setup
	@$(PYTHON) -m scripts.run

test-setup:
	@HOSTS=local scripts/bootstrap.sh test

test: test-setup
	@$(PYTHON) -m scripts.check

test-quick: test-setup
	@$(PYTHON) -m scripts.check --quick

test-all: test-setup
	@$(PYTHON) -m scripts.check --all

bench: test-setup
	@$(PYTHON) -m benchmarks

lock: test-setup
	@$(PYTHON) -m scripts.lock

format: test-setup
	@$(PYTHON) -m ruff format
	@$(PYTHON) -m ruff check --fix

clean:
	@rm -rf .venv node_modules static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
