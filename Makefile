# Every target sets up what it needs in .venv; Python 3.11 or later, make and a compiler are enough.
#
#   make demo    the main job end to end, about ten minutes    make test    all tests
#   make lint    style, types, import rules                    make docs    the documentation as HTML
#   make bench   the promised figures, hours                   make clean   remove what was built, not the environment
#
# PYTHON=...     another interpreter                           PIP_ARGS=... passed to pip install (an index, a cache)
# DEMO_STEPS=... training steps of the demo          TEST_WORKERS=... processes of the tests

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_ARGS ?=
DEMO_STEPS ?= 3000
TEST_WORKERS ?= 2
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --no-compile $(PIP_ARGS) -c constraints.txt

.PHONY: demo test lint bench docs clean

demo: .venv/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" DEMO_STEPS=$(DEMO_STEPS) scripts/demo.sh

test: .venv/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed
	$(BIN)/python scripts/bench.py

docs: .venv/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:
	rm -rf build dist demo docs/_build docs/api/generated bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts docs -name __pycache__ -type d -prune -exec rm -rf {} +

# torch is installed in the same breath as what needs it, so that the pinned version is the one that is taken.
.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "facsim needs Python 3.11 or later: make PYTHON=/path/to/python3"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --upgrade "pip>=25.1"
	$(INSTALL) -e ".[train,parquet]" --group test --group lint
	@$(INSTALL) -e ".[geant4]" || echo "No geant4-pybind for this machine: everything but simulating showers works."
	@$(INSTALL) -e ".[pythia]" || echo "No pythia8mc or fastjet for this machine: everything but simulating jets works."
	@touch $@

.venv/.docs: .venv/.installed
	$(INSTALL) --group docs
	@touch $@
