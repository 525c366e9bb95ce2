# `make run` serves, `make test` tests; both make their environment first and are quick the second time.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 4567
BUNDLE ?= build/bundle
CORPUS ?= train-corpus/reviews.csv
GROUP ?= $(if $(filter train-corpus/reviews.csv,$(CORPUS)),domain)

VENV := .venv
BIN := $(VENV)/bin
LOCKS := serving training stress development
# One stamp a stage of the environment: serving does not wait for what only tests need.
RUN_ENV := $(VENV)/.run
TEST_ENV := $(VENV)/.test

.PHONY: help run train evaluate test check format system lock clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_ENV) build/bundle/manifest.json ## serve on HOST:PORT with BUNDLE; trains the default bundle if it is missing
	SCORER_HOST=$(HOST) SCORER_PORT=$(PORT) SCORER_BUNDLE=$(BUNDLE) exec $(BIN)/gunicorn -c service/gunicorn.conf.py

train: $(RUN_ENV) ## train BUNDLE from CORPUS (GROUP= names the column that keeps reviews together)
	$(BIN)/python train-corpus/train.py --corpus $(CORPUS) --bundle $(BUNDLE) $(if $(GROUP),--group-column $(GROUP)) $(ARGS)

evaluate: $(RUN_ENV) ## measure BUNDLE on CORPUS
	$(BIN)/python train-corpus/evaluate.py --corpus $(CORPUS) --bundle $(BUNDLE) $(ARGS)

test: $(TEST_ENV) ## run every test
	$(BIN)/pytest $(ARGS)

check: $(TEST_ENV) ## check formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TEST_ENV) ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

system: ## install the system packages of requirements/system.txt (Debian, as root)
	@PYTHON=$(PYTHON) requirements/system.sh install all

lock: $(TEST_ENV) ## write requirements/*.txt anew from pyproject.toml
	@for name in $(LOCKS); do \
	    extra=$$([ $$name = serving ] || echo "--extra $$name"); \
	    $(BIN)/uv pip compile pyproject.toml $$extra --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-emit-find-links --no-header --no-annotate --quiet $(LOCK_ARGS) -o requirements/$$name.txt || exit; \
	done

clean: ## remove the environment and everything built
	rm -rf $(VENV) build

# Only the default bundle is trained for the asking; a bundle that the user names must be there.
build/bundle/manifest.json: | $(RUN_ENV)
	$(if $(filter build/bundle,$(BUNDLE)),$(MAKE) --no-print-directory train BUNDLE=build/bundle)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another with make PYTHON=…" >&2; exit 1; }
	@PYTHON=$(PYTHON) requirements/system.sh install run
	$(PYTHON) -m venv $(VENV)

$(RUN_ENV): requirements/serving.txt requirements/training.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/serving.txt -r requirements/training.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST_ENV): requirements/stress.txt requirements/development.txt $(RUN_ENV)
	@PYTHON=$(PYTHON) requirements/system.sh install all
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/stress.txt -r requirements/development.txt
	@touch $@
