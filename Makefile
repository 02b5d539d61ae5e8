# The only commands a person must know: demo, test, lint, bench, train-weights.
# Each sets up what it needs in .venv; PYTHON names another interpreter (3.11 or newer).

PYTHON ?= python3
DATA ?= ../shared/data
BIN = .venv/bin
# Not those that train for long: family, clipping.
BENCH = mri published set5 noise_ceiling tiles memory throughput
# constraints.txt holds the torch that was tested: the CPU build where the index offers one.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all lint bench train-weights clean

demo: .venv/ready
	$(BIN)/medacuity demo --output demo

test: .venv/ready-dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not gpu"

test-all: .venv/ready-dev
	$(BIN)/python -m pytest -q

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: .venv/ready-dev
	for name in $(BENCH); do $(BIN)/python benchmarks/$$name.py --data $(DATA) || exit 1; done

# The shipped weights, from nothing: hours on two cores; TRAIN="--device cuda" for the papers' own runs.
train-weights: .venv/ready
	sh benchmarks/train_weights.sh $(DATA) $(DATA)/travel/natural $(BIN)/medacuity $(TRAIN)

clean:
	rm -rf .venv demo runs

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "medacuity needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing medacuity and what it needs (a minute or two, the first time)"
	$(INSTALL) -e .
	@touch $@

.venv/ready-dev: pyproject.toml constraints.txt | .venv/ready
	$(INSTALL) -e '.[dev]'
	@touch $@
