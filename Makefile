# Everything runs in .venv, made on first use. Another interpreter: make PYTHON=python3.12 test
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: demo test run lint bench

# A cluster on this machine, shown from the first seed to the last node.
demo: $(INSTALLED)
	$(VENV)/bin/python -m netsim.demo

# All tests on two cores. The end-to-end tests share one of them, so that real runtimes do not slow each other down.
test: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --dist loadgroup

# A node with the default configuration.
run: $(INSTALLED)
	$(VENV)/bin/p2player serve

lint: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(INSTALLED)
	$(VENV)/bin/python -m bench

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "p2player needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	@touch $@
