# `make` alone lists the targets. Everything runs in .venv, which `make setup` builds.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
SUITABLE := import sys, ensurepip; assert (3, 11) <= sys.version_info < (3, 13)

# Nothing is sent anywhere by the tools themselves.
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export RAY_USAGE_STATS_ENABLED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A bad override gets one message, not Hydra's stack trace.
unexport HYDRA_FULL_ERROR

.DEFAULT_GOAL := help
.PHONY: help images up down setup simulate test bench bench-edge bench-repository privacy-table lint bench-deploy

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Build .venv with the pinned packages; instant when up to date

simulate: $(STAMP)  ## Run the main job; overrides in ARGS="task=activity rounds=50"
	@$(BIN)/python -m simulate $(ARGS)

test: $(STAMP)  ## Run every test; pytest's own options in TESTARGS="-k ledger"
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTARGS)

bench: $(STAMP)  ## Measure beside other systems; data in DATA, options in BENCHARGS="--only B1"
	@$(BIN)/python -m benchmarks.run $(BENCHARGS)

bench-edge: $(STAMP)  ## Measure the way from a sensor's message to a prediction
	@$(BIN)/python -m benchmarks.edge

bench-repository: $(STAMP)  ## Measure what the component repository costs sites and cloud
	@$(BIN)/python -m benchmarks.repository $(BENCHARGS)

bench-deploy: $(STAMP)  ## Measure a round's overhead on real processes, beside stock Flower
	@$(BIN)/python -m benchmarks.deploy $(BENCHARGS)

privacy-table: $(STAMP)  ## Measure accuracy on UCI HAR at each epsilon; its archive in DATA
	@$(BIN)/python -m benchmarks.privacy_table

COMPOSE = docker-compose -f stacks/compose.yaml -p join-the-dots
BASE := debian:bookworm-slim

images: $(STAMP)  ## Build the images of an edge box, the cloud and a broker; base image in BASE
	@rm -rf stacks/wheels && $(BIN)/python -m pip wheel -q -c constraints.txt -w stacks/wheels .
	@docker build --network host --build-arg BASE=$(BASE) -t join-the-dots-edge -f stacks/edge/Dockerfile .
	@docker build --network host -t join-the-dots-cloud -f stacks/cloud/Dockerfile .
	@docker build --network host --build-arg BASE=$(BASE) -t join-the-dots-broker -f stacks/broker/Dockerfile .

up:  ## Start a broker, a cloud and three edge boxes from the images, and enroll the boxes
	@$(COMPOSE) up -d broker cloud
	@for site in edge-a edge-b edge-c; do \
	  until $(COMPOSE) exec -T cloud sh -c "test -f /keys/$$site/$$site.key || \
	    python -m fl_server enroll $$site 'hosts=[cloud]' --to /keys/$$site"; do sleep 3; done; \
	done
	@$(COMPOSE) up -d

down:  ## Stop them; what they keep stays in volumes
	@$(COMPOSE) down

lint: $(STAMP)  ## Check style, form and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The stamp is written last, so an install that was interrupted is done again. An environment that
# is there and sound is kept.
$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -c '$(SUITABLE); import pip' 2>/dev/null || { \
	  for python in $(PYTHON) python3.11 python3.12 python3; do \
	    $$python -c '$(SUITABLE)' 2>/dev/null || continue; \
	    echo "Creating $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv --clear $(VENV); \
	  done; \
	  echo "No Python 3.11 or 3.12 with its venv module was found." >&2; \
	  echo "Debian, Ubuntu: apt-get install python3 python3-venv" >&2; \
	  echo "Elsewhere, name one: make setup PYTHON=path/to/python3.11" >&2; \
	  exit 1; }
	@echo "Installing the pinned packages into $(VENV): a few minutes the first time"
	@$(BIN)/python -m pip install -c constraints.txt -e '.[simulation,dev]'
	@$(BIN)/python -m pip check
	@touch $@
