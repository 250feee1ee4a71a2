# Two commands do everything: `make run` and `make test`. README.md says more.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
TESTABLE := .venv/installed-test
DATA := $(or $(GATEHOUSE_DATA_DIR),var)
UNIT := tests/portal tests/devices tests/tokens tests/gateway
REAL := tests/browser tests/served tests/bench

.PHONY: run install test check bench swagger screenshots lock

run: $(INSTALLED)
	@exec $(BIN)/python manage.py serve

install: $(INSTALLED)

# Tests of real processes wait about as long as they work, so four of them share two cores. They start hundreds of
# processes, each of which would compile all of this where Python is told to keep no bytecode.
test: $(TESTABLE)
	@$(BIN)/python -m tests.machine
	@$(BIN)/python -m compileall -q portal devices tokens gateway tests
	$(BIN)/python -m pytest -q -n 2 $(UNIT) tests/test_*.py
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(REAL)
	$(BIN)/python -m tests.postgres $(BIN)/python -m pytest -q -n 2 --rows 2 $(UNIT)

check: $(TESTABLE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

bench: $(TESTABLE)
	@$(BIN)/python -m tests.bench $(NAME)

swagger: $(INSTALLED)
	@mkdir -p $(DATA)
	$(BIN)/python manage.py spectacular --fail-on-warn --validate --file $(DATA)/api_swagger.yaml
	$(BIN)/python manage.py spectacular --fail-on-warn --validate --file $(DATA)/gateway_swagger.yaml \
		--urlconf gateway.device_urls --custom-settings gateway.openapi.DEVICE_SETTINGS

screenshots: $(TESTABLE)
	@$(BIN)/python -m tests.machine
	$(BIN)/python -m tests.browser.screenshots

# Pins every package with its hashes; needs uv, and is the only thing here that does.
lock:
	uv pip compile -q pyproject.toml --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 -o requirements.lock
	uv pip compile -q pyproject.toml --extra test -c requirements.lock --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 -o requirements-test.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Gatehouse needs Python 3.11 or later; set PYTHON to one, e.g. make run PYTHON=python3.11." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python cannot make a virtual environment here; install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }

$(INSTALLED): requirements.lock | $(BIN)/python
	@echo "Installing what Gatehouse needs into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements.lock
	@touch $@

$(TESTABLE): requirements-test.lock | $(BIN)/python
	@echo "Installing what Gatehouse and its tests need into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements-test.lock
	@touch $(INSTALLED) $@
