# `make run` serves, `make test` tests. Both create their virtual environment first; a second call reuses it.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 4567
BUNDLE ?= build/bundle
ONNX ?= build/reviews.onnx
CORPUS ?= train-corpus/reviews.csv
MINUTES ?= 10
GROUP ?= $(if $(filter train-corpus/reviews.csv,$(CORPUS)),domain)

VENV := .venv
BIN := $(VENV)/bin
LOCK = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
    --quiet $(LOCK_ARGS)
LOCKS := serving build training distributed stress development
# Stamp files, one for each stage of the environment, so that `make run` does not install what only tests need.
RUN_ENV := $(VENV)/.run
TEST_ENV := $(VENV)/.test

DOCKER ?= docker
IMAGE ?= lightgbm-clf
TAG ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
REGISTRY ?= $(if $(PROJECT),asia.gcr.io/$(PROJECT))
# Set only if the user gave BUNDLE; empty for the default.
OWN_BUNDLE = $(if $(filter file,$(origin BUNDLE)),,$(BUNDLE))

.PHONY: help run train evaluate score compare export feedback retrain quick test stress baseline-server bench bench-scaling replay chaos fuzz sbom audit test-container test-k8s image run-image push check format install-system-packages lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-23s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_ENV) build/bundle/manifest.json ## serve on HOST:PORT with BUNDLE; trains the default bundle if it is missing
	SCORER_HOST=$(HOST) SCORER_PORT=$(PORT) SCORER_BUNDLE=$(BUNDLE) SCORER_LOG=$${SCORER_LOG:-plain} exec $(BIN)/gunicorn -c service/gunicorn.conf.py

train: $(RUN_ENV) ## train BUNDLE from CORPUS (GROUP= names the column that keeps reviews together)
	$(BIN)/python train-corpus/train.py --corpus $(CORPUS) --bundle $(BUNDLE) $(if $(GROUP),--group-column $(GROUP)) $(ARGS)

evaluate: $(RUN_ENV) ## print the error figures of BUNDLE on CORPUS
	$(BIN)/python train-corpus/evaluate.py --corpus $(CORPUS) --bundle $(BUNDLE) $(ARGS)

score: $(RUN_ENV) build/bundle/manifest.json ## score FILES with BUNDLE, on all cores (ARGS="--out DIR")
	$(BIN)/python -m review_scorer.batch.score $(FILES) --bundle $(BUNDLE) $(ARGS)

compare: $(RUN_ENV) ## compare the bundle B with A on CORPUS
	$(BIN)/python train-corpus/compare.py $(A) $(B) --corpus $(CORPUS) $(if $(GROUP),--group-column $(GROUP)) $(ARGS)

export: $(TEST_ENV) build/bundle/manifest.json ## write the model of BUNDLE (vector to stars) as the ONNX graph ONNX
	$(BIN)/python train-corpus/export.py --bundle $(BUNDLE) --onnx $(ONNX) $(ARGS)

feedback: $(RUN_ENV) ## write OUT, a corpus of the logged predictions and the feedback in REDIS (ARGS="--report --disagreements")
	$(BIN)/python train-corpus/feedback.py --redis $(REDIS) $(if $(OUT),--out $(OUT)) $(ARGS)

retrain: $(RUN_ENV) ## train BUNDLE again from CORPUS and the feedback in REDIS; replace it if the new one is no worse
	$(BIN)/python train-corpus/retrain.py --redis $(REDIS) --corpus $(CORPUS) --bundle $(BUNDLE) $(if $(ARGS),-- $(ARGS))

quick: $(TEST_ENV) ## run the tests that need no server, container, browser, Dask or training (a minute)
	$(BIN)/pytest -q -n auto --dist loadscope -m "not slow" $(ARGS)

test: $(TEST_ENV) ## run every test on all cores (ARGS="tests/api -n 0": some of them, in one process)
	$(BIN)/pytest -q -n auto --dist loadscope $(ARGS)

stress: $(TEST_ENV) ## run a load test against URL (ARGS="--rate 200 --html load.html"; ARGS=--help lists the options)
	$(BIN)/python stress/stress-testing.py $(URL) $(ARGS)

baseline-server: $(TEST_ENV) ## serve the baseline, a straightforward server of the same kind of model, on 127.0.0.1:4568
	$(BIN)/python -m tools.bench.servers.baseline_server --corpus $(CORPUS) --port 4568 --model build/baseline

bench: $(TEST_ENV) build/bundle/manifest.json ## compare BUNDLE with the baseline on texts of CORPUS (ARGS=--help lists the options)
	$(BIN)/python -m tools.bench.bench --bundle $(BUNDLE) --corpus $(CORPUS) $(ARGS)

bench-scaling: $(TEST_ENV) build/bundle/manifest.json ## measure how training and scoring scale with the number of rows (ARGS="--rows 10000 100000 1000000 --ways one two --only score")
	$(BIN)/python -m tools.bench.scaling.scale --bundle $(BUNDLE) $(ARGS)

test-container: $(TEST_ENV) ## build the image and test it under the restrictions of the Deployment (starts a Docker engine if none runs)
	@PYTHON=$(PYTHON) requirements/system.sh install container
	$(BIN)/pytest --timeout 1200 tools/container/check_container.py $(ARGS)

replay: $(TEST_ENV) build/bundle/manifest.json ## record the answers to a fixed list of requests in build/answers.jsonl (ARGS="--checkout DIR")
	$(BIN)/python -m tools.replay.record --bundle $(BUNDLE) --out build/answers.jsonl $(ARGS)

chaos: $(TEST_ENV) build/bundle/manifest.json ## test availability under overload, slow clients, deploys and faults (ARGS="--only overload --quick")
	@PYTHON=$(PYTHON) requirements/system.sh install chaos
	$(BIN)/python -m tools.chaos.chaos --bundle $(BUNDLE) $(ARGS)

fuzz: $(TEST_ENV) build/bundle/manifest.json ## send malformed requests for MINUTES (ARGS="--seed 1" repeats a run)
	$(BIN)/python -m tools.fuzz.fuzz --bundle $(BUNDLE) --minutes $(MINUTES) $(ARGS)

sbom: $(TEST_ENV) ## write the software bill of materials to build/sbom.json (CycloneDX); with all Debian packages if the image is built
	@mkdir -p build
	@if $(DOCKER) image inspect $(IMAGE):$(TAG) >/dev/null 2>&1; then \
	    $(DOCKER) run --rm --entrypoint dpkg-query $(IMAGE):$(TAG) -W > build/packages.tsv; \
	else echo "no image $(IMAGE):$(TAG): listing only the Debian packages that the Dockerfile names"; rm -f build/packages.tsv; fi
	$(BIN)/python requirements/sbom.py build/sbom.json $$(ls build/packages.tsv 2>/dev/null)

audit: $(TEST_ENV) ## look up known vulnerabilities of requirements/*.txt: exits 0 for none, 1 for some, 2 if the lookup failed
	@$(BIN)/python requirements/audit.py $(LOCKS:%=requirements/%.txt) $(if $(ARGS),-- $(ARGS))

test-k8s: $(TEST_ENV) ## test the manifests on the cluster of KUBECONFIG (CLUSTER_IMAGE= is an image that it can pull)
	KUBECONFIG=$(KUBECONFIG) IMAGE=$(CLUSTER_IMAGE) $(BIN)/python -m tools.k8s.check_cluster

image: ## build the image lightgbm-clf:TAG (BUNDLE=DIR: with that bundle instead of training the default)
	$(if $(OWN_BUNDLE),rm -rf build/image-bundle && mkdir -p build && cp -rL $(OWN_BUNDLE) build/image-bundle)
	DOCKER_BUILDKIT=1 $(DOCKER) build --build-arg VERSION=$(TAG) --build-arg REVISION=$(REVISION) \
	    $(if $(OWN_BUNDLE),--build-arg BUNDLE=given) $(IMAGE_ARGS) -t $(IMAGE):$(TAG) -t $(IMAGE):latest .
	@$(DOCKER) image inspect -f '{{index .RepoTags 0}}: {{.Size}} bytes, {{len .RootFS.Layers}} layers' $(IMAGE):$(TAG)

run-image: ## run the image on HOST:PORT under the restrictions of the Deployment
	$(DOCKER) run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 512m \
	    -p $(HOST):$(PORT):4567 $(IMAGE):$(TAG)

push: ## push the image to asia.gcr.io/PROJECT, or to REGISTRY
	$(if $(REGISTRY),,$(error PROJECT or REGISTRY is not set: make push PROJECT=my-project, or REGISTRY=LOCATION-docker.pkg.dev/PROJECT/REPOSITORY))
	$(DOCKER) tag $(IMAGE):$(TAG) $(REGISTRY)/$(IMAGE):$(TAG)
	$(DOCKER) push $(REGISTRY)/$(IMAGE):$(TAG)

check: $(TEST_ENV) ## check formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TEST_ENV) ## format the code and apply the fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install-system-packages: ## install the system packages of requirements/system.txt (Debian, as root)
	@PYTHON=$(PYTHON) requirements/system.sh install container

# Serving uses LightGBM's C library and Swagger UI's files without their Python code, so the dependencies of that code
# (half of the image) are left out.
lock: $(TEST_ENV) ## update requirements/*.txt from pyproject.toml
	@$(BIN)/uv pip compile --group build $(LOCK) -o requirements/build.txt
	@for name in $(filter-out build,$(LOCKS)); do \
	    extra=$$([ $$name = serving ] && echo "--no-emit-package scipy --no-emit-package narwhals --no-emit-package jinja2 --no-emit-package markupsafe" || echo "--extra $$name"); \
	    $(BIN)/uv pip compile pyproject.toml $$extra $(LOCK) -o requirements/$$name.txt || exit; \
	done

clean: ## remove the virtual environment and build/
	rm -rf $(VENV) build

# Only the default bundle is trained on demand; a bundle that the user names must exist.
build/bundle/manifest.json: | $(RUN_ENV)
	$(if $(filter build/bundle,$(BUNDLE)),$(MAKE) --no-print-directory train BUNDLE=build/bundle)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is required, $(PYTHON) is $$($(PYTHON) --version 2>&1); choose another with make PYTHON=…" >&2; exit 1; }
	@PYTHON=$(PYTHON) requirements/system.sh install run
	$(PYTHON) -m venv $(VENV)

$(RUN_ENV): requirements/serving.txt requirements/build.txt requirements/training.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/serving.txt -r requirements/build.txt -r requirements/training.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST_ENV): requirements/distributed.txt requirements/stress.txt requirements/development.txt $(RUN_ENV)
	@PYTHON=$(PYTHON) requirements/system.sh install test
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/distributed.txt -r requirements/stress.txt -r requirements/development.txt
	@touch $@
