# The commands of this project; each says what it does and does nothing twice.
PYTHON ?= python3
VENV := .venv
HEAD ?= sim
# Tests run side by side on this many processes.
JOBS ?= 2

.PHONY: help setup setup-lab ansible test lint acceptance conformance demo bench bench-heads bench-service bench-store chaos clean

help:
	@echo "make setup              the environment, and the command at $(VENV)/bin/lunops"
	@echo "make demo               a service with mutual TLS, one batch of clones, its removal, on a simulated head"
	@echo "make demo HEAD=lab      the same on a real kernel in a virtual machine, and two nodes boot from their clones"
	@echo "make test               lint, types, and the whole test suite"
	@echo "make acceptance         the suite on real storage heads (virtual machines: ZFS and the kernel's target)"
	@echo "make ansible            the ansible-core that lunops is compared to, and where it is"
	@echo "make bench              what LUNs cost on such a head that fills, and replicating an image beside ssh by hand"
	@echo "make bench-heads        what a play on 500 simulated heads costs beside one on one head"
	@echo "make bench-service      how many jobs and LUNs a service carries, with one worker and with several"
	@echo "make bench-store        what 100,000 jobs in the store cost beside none, and an event beside its item"
	@echo "make chaos              hundreds of jobs while the service's processes are killed, on each kind of store"
	@echo "make conformance        both, and docs/conformance.md: which operation passed on which"

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml tests/tools/packages
	@tests/tools/packages base
	@echo "setup: Python packages into $(VENV): lunops with what it needs, and the tools for its tests"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lunops needs Python 3.11 or newer; run: make PYTHON=python3.11 setup")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup-lab: setup
	@tests/tools/packages lab

# ansible-core, in an environment of its own, for the comparison with it; it prints the folder of its commands.
ansible:
	@PYTHON=$(PYTHON) tests/tools/ansible

lint: setup
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy

test: lint
	@$(VENV)/bin/pytest -n $(JOBS)

acceptance: setup-lab
	@$(VENV)/bin/pytest -m lab -p no:xdist -rA --timeout=1200 tests/acceptance

bench: setup-lab
	@$(VENV)/bin/pytest -m lab -p no:xdist -s --timeout=1200 tests/acceptance/bench_*.py

bench-store: setup
	@$(VENV)/bin/python -m tests.bench_store

bench-service: setup
	@$(VENV)/bin/python -m tests.bench_service

bench-heads: setup
	@$(VENV)/bin/python -m tests.bench_heads

chaos: setup
	@$(VENV)/bin/python -m tests.chaos --store sqlite
	@$(VENV)/bin/python -m tests.chaos --store postgres

conformance:
	@rm -rf .conformance
	@$(MAKE) test acceptance
	@$(VENV)/bin/python -m tests.conformance

demo: $(if $(filter lab,$(HEAD)),setup-lab,setup)
	@$(VENV)/bin/python -m tests.demo --head $(HEAD)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
