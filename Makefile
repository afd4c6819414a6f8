# Two commands do everything: `make quickstart` and `make test`. Each makes .venv and installs what it needs.

# The first Python that is one of ours: nni 3.0 does not run on 3.13.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
# Tests at a time in `make test`; 0: all in one process.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := autostr_nni search_spaces strategies
CODE := $(PACKAGES) tests benchmarks

.PHONY: quickstart quickstart-random test test-all slow format lint types unit faults clean

quickstart: $(VENV)/.installed ## a search by halving, as an NNI experiment on rendered words
	$(BIN)/autostr search examples/quickstart/halving.yml

quickstart-random: $(VENV)/.installed ## random search of the same recipe, to compare with
	$(BIN)/autostr search examples/quickstart/random.yml

test: lint types unit ## under five minutes on two cores

test-all: test slow ## all but the faults

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "autostr_nni needs Python 3.10, 3.11 or 3.12: install one, or name it with PYTHON=" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: $(VENV)/.installed-dev
	$(BIN)/mypy -p autostr_nni

unit: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

slow: $(VENV)/.installed-dev ## what is too long for `make test`: searches through NNI, the README's commands, and GPUs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m '(slow or gpu) and not faults'

faults: $(VENV)/.installed-dev ## longer still: kill, fill, cut; writes its table of what was lost into docs/reliability.md
	FAULTS_TABLE=docs/reliability.md OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m faults

format: $(VENV)/.installed-dev ## put the code in the house's form
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
