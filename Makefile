# Everything runs in .venv, made on first use. Another interpreter: make PYTHON=python3.12 test
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: demo test run lint bench fuzz soak faults netsim

# A cluster on this machine, shown from the first seed to the last node.
demo: $(INSTALLED)
	$(VENV)/bin/python -m netsim.demo

# The tests on two cores, by three workers: tests wait for other processes a third of their time. The end-to-end tests share one worker,
# so that real runtimes do not slow each other down.
# What runs against the clock is tried up to twice more when it fails, and then shown as a rerun (tests/conftest.py).
# A worker that crashes ends the run: pytest-xdist waits for ever for what was left of its group (a restarted worker gets none).
test: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 3 --dist loadgroup --max-worker-restart 0

# What each fault costs in each stage of a pull on each machine, and the end-to-end tests that `make test` leaves out: large images, and
# the runtimes that others stand for. Needs root, and twenty minutes.
faults: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0 -m "faults or not e2e" tests/faults tests/e2e

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

# Every parser under a coverage-guided fuzzer, FUZZ_SECONDS (20) each. There are wheels of it for x86-64 Linux only.
fuzz: $(INSTALLED)
	$(VENV)/bin/pip install --quiet --editable '.[fuzz]'
	$(VENV)/bin/python -m tests.fuzz

# Eight nodes under random pulls, evictions and faults for SOAK_MINUTES (10): nothing may grow, nothing may be wrong.
soak: $(INSTALLED)
	$(VENV)/bin/python -m netsim.soak

# Scenarios of a cluster with real daemons (needs root) and with 1,000 simulated nodes, then docs/scale.md from what became of them.
netsim: $(INSTALLED)
	$(VENV)/bin/python -m netsim set $(OPTIONS)
	$(VENV)/bin/python -m netsim report

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "p2player needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	@touch $@
