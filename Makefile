# Two commands do all the set-up and then their work: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
# The public models are taken from here where they lie beside the project.
EDGECV_ZOO_MIRROR ?= $(abspath $(wildcard ../shared/zoo))
export EDGECV_ZOO_MIRROR
BIN := $(VENV)/bin
# What was installed for which setup.cfg; a change of either installs again.
DEMO_READY := $(VENV)/.ready-demo
DEV_READY := $(VENV)/.ready-dev

.PHONY: demo test test-fast test-arm lint types wheel bench clean help

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/:/' | column -t -s:

demo: $(DEMO_READY)  ## detection, pose and face ID on photographs, into demo_output/
	$(BIN)/edgecv demo --out demo_output

test: $(DEV_READY)  ## the whole test suite
	$(BIN)/pytest -n auto --dist loadgroup $(PYTEST_ARGS)

test-fast: $(DEV_READY)  ## the tests without the slow ones, in under 3 minutes
	$(BIN)/pytest -n auto --dist loadgroup -m "not slow" $(PYTEST_ARGS)

test-arm: $(DEV_READY)  ## the core's tests on an emulated Raspberry Pi, its results against x86's, wheels for ARM
	sh tools/arm/run.sh $(BIN)/python

lint: $(DEV_READY)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_READY)  ## static types
	$(BIN)/mypy

wheel: $(DEV_READY)  ## build the wheel, install it in a fresh environment, run the tests against it
	sh tools/check_wheel.sh $(PYTHON)

bench: $(DEV_READY)  ## overhead against the bare runtime, speed against peers
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.peers

clean:  ## remove what the commands above made
	rm -rf $(VENV) .venv-arm build dist *.egg-info demo_output .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	sh tools/make_venv.sh $(PYTHON) $(VENV)

$(DEMO_READY): setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[demo]'
	touch $@

$(DEV_READY): setup.cfg pyproject.toml | $(BIN)/python
	sh tools/system_packages.sh
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@ $(DEMO_READY)
