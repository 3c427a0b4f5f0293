# The same few words for newcomers, developers and CI.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; print(1) if (3, 11) <= sys.version_info < (3, 14) else None' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: install sandbox run test check bench format lock clean

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "GMBot needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# What the bot does, shown against a simulated Telegram; needs no token and no network.
sandbox: $(READY)
	$(BIN)/gmbot sandbox

run: $(READY)
	$(BIN)/gmbot run

test: $(READY)
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Updates a second on this machine; see the text at the top of the module.
bench: $(READY)
	$(BIN)/python -m tests.bench.throughput

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv. No index is written down: the lock names packages and hashes only.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes \
		--extra asks --group dev --upgrade pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
