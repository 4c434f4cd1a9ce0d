# `make` alone lists the targets. Everything runs in .venv, which `make setup` builds.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete$(TORCH_BACKEND:%=-%)
SUITABLE := import sys, ensurepip; assert (3, 11) <= sys.version_info < (3, 15)

# Nothing is sent anywhere by the tools themselves.
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export RAY_USAGE_STATS_ENABLED := 0
export ORT_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A bad override gets one message, not Hydra's stack trace.
unexport HYDRA_FULL_ERROR

.DEFAULT_GOAL := help
.PHONY: help up down setup simulate test test-long test-newest mutants test-containers test-arm64 bench bench-edge bench-repository bench-compression privacy-table lint docs hooks function-runner function-languages catalogue catalogue-judges bench-deploy

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Build .venv with the pinned packages; TORCH_BACKEND=cpu, auto or cu130 chooses the torch

simulate: $(STAMP)  ## Run the main job; overrides in ARGS="task=activity rounds=50"
	@$(BIN)/python -m simulate $(ARGS)

HERE := $(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/containers --ignore tests/arm64 --ignore tests/languages --ignore tests/catalogue
test: $(STAMP)  ## Run the tests; pytest's own options in TESTARGS="-k ledger"
	@$(HERE) -m 'not long' $(TESTARGS)

test-long: $(STAMP)  ## Run those that take long: servers and sites as processes, wheels, traces of system calls
	@$(HERE) -m long $(TESTARGS)

# torch stays pinned: another release brings gigabytes, and each index has builds of its own.
NEWEST := .newest
test-newest: $(STAMP)  ## Run the quick suite with the newest release of every package that pyproject.toml allows
	@$(BIN)/python -m venv --clear $(NEWEST)
	@grep '^torch' constraints.txt > $(NEWEST)/torch.txt
	@$(NEWEST)/bin/python -m pip install --quiet --upgrade -c $(NEWEST)/torch.txt $(EXTRAS)
	@$(NEWEST)/bin/python -m pip freeze --exclude-editable | sed 's/+.*//' \
	  | grep -vxF -f constraints.txt || echo "Nothing is newer than the pins."
	@$(NEWEST)/bin/python -m pytest -n 2 -m 'not slow' $(TESTARGS)

mutants: $(STAMP)  ## Plant faults of privacy into a copy of the source; the tests must find each; NAMES="noise clip" for some
	@$(BIN)/python -m tests.mutants $(NAMES)

test-containers: $(STAMP)  ## Build the images and run the stack, as root: needs docker.io, docker-compose, debootstrap
	@$(BIN)/python -m pytest tests/containers $(TESTARGS)

test-arm64: $(STAMP)  ## Run a box of ARM under emulation, as root: needs qemu-user-static, docker.io, debootstrap
	@$(BIN)/python -m pytest tests/arm64 $(TESTARGS)

bench: $(STAMP)  ## Measure beside other systems; data in DATA, options in BENCHARGS="--only B1"
	@$(BIN)/python -m benchmarks.run $(BENCHARGS)

bench-edge: $(STAMP)  ## Measure the way from a sensor's message to a prediction
	@$(BIN)/python -m benchmarks.edge

bench-repository: $(STAMP)  ## Measure what the component repository costs sites and cloud
	@$(BIN)/python -m benchmarks.repository $(BENCHARGS)

bench-deploy: $(STAMP)  ## Measure a deployment: a round's overhead, a killed ServerApp, an idle site
	@$(BIN)/python -m benchmarks.deploy $(BENCHARGS)

bench-compression: $(STAMP)  ## Measure bytes and accuracy of compressed updates on UCI HAR; archive in DATA
	@$(BIN)/python -m benchmarks.compression $(BENCHARGS)

privacy-table: $(STAMP)  ## Measure accuracy on UCI HAR at each epsilon; its archive in DATA
	@$(BIN)/python -m benchmarks.privacy.table

include stacks/images.mk

COMPOSE = docker-compose --env-file $(abspath $(ACCOUNTS)) -f stacks/compose.yaml -p join-the-dots
ACCOUNTS := .stack/accounts.env

# Passwords at the broker; each container gets its own alone.
$(ACCOUNTS):
	@umask 077; mkdir -p $(@D); for name in EDGE_A EDGE_B EDGE_C PLAYER; do \
	  echo "$${name}_PASSWORD=$$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"; \
	done > $@.new; mv $@.new $@

# Each box makes its key in its own volume; only the public half gets to the cloud, which leaves in
# /keys what the box needs: the authority that signed the cloud's certificate, and the repository's root.
up: $(ACCOUNTS)  ## Start a broker, a cloud, three edge boxes and a player from the images; enroll the boxes
	@$(COMPOSE) up -d broker cloud
	@for site in edge-a edge-b edge-c; do \
	  $(COMPOSE) run --rm -T --no-deps --entrypoint sh $$site -c "test -f /data/$$site.pub || \
	    python -m fl_client key /data/$$site.key >&2; cat /data/$$site.pub" </dev/null \
	    | $(COMPOSE) exec -T cloud sh -c "mkdir -p /keys/$$site && cat > /keys/$$site/$$site.pub"; \
	  until $(COMPOSE) exec -T cloud sh -c "{ test -f server/sites/$$site.json || \
	    python -m fl_server enroll $$site 'hosts=[cloud]' --to /keys/$$site \
	    --public /keys/$$site/$$site.pub; } && \
	    cp server/components/metadata/1.root.json /keys/$$site/" </dev/null 2>/dev/null; do \
	      echo "Waiting for the cloud. Its log: $(COMPOSE) logs cloud"; sleep 3; done; \
	done
	@$(COMPOSE) up -d

down: $(ACCOUNTS)  ## Stop them; what they keep stays in volumes
	@$(COMPOSE) down

lint: $(STAMP)  ## Check style, form and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# NO_MKDOCS_2_WARNING: the theme's advertisement of its successor.
docs: $(STAMP)  ## Build the documentation as a site in site/; it needs no network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html, or serve it for the search: python3 -m http.server --directory site"

function-runner: $(STAMP)  ## Build the component that runs functions in Python, unless it is there: 20 MB, ten seconds
	@$(BIN)/python -m fl_common.functions.runner.build

# What fl-fn build takes for C; for JavaScript npx fetches it. Nothing else needs it.
LANGUAGES := .languages
$(LANGUAGES)/.complete: Makefile simulate/functions/building.py
	@$(BIN)/python -m venv --clear $(LANGUAGES)
	@$(LANGUAGES)/bin/python -m pip install --quiet $$($(BIN)/python -m simulate.functions.building)
	@touch $@

function-languages: $(STAMP) $(LANGUAGES)/.complete  ## Build a function in JavaScript and in C, and compare with Python; needs npx
	@PATH="$(CURDIR)/$(LANGUAGES)/bin:$$PATH" $(BIN)/python -m pytest tests/languages $(TESTARGS)

catalogue: $(STAMP)  ## Build our own networks of the catalogue anew, and compare their digests: a minute
	@$(BIN)/python -m benchmarks.catalogue.build

catalogue-judges: $(STAMP)  ## Compare the catalogue's networks with their packages, installed beside: 0.7 GB, needs espeak-ng
	@$(BIN)/python -m pytest tests/catalogue $(TESTARGS)

hooks: $(STAMP)  ## Let git check each commit as CI does (pre-commit)
	@$(BIN)/pre-commit install

EXTRAS := -e '.[simulation,pictures,docs,dev]'
PINNED := -c constraints.txt $(EXTRAS)
HASHED := --no-deps --require-hashes -r hashes.txt
# What another backend may have brought.
ANEW := --reinstall-package torch --reinstall-package torchvision

# Without TORCH_BACKEND torch is what pip finds: on Linux the build for CUDA, with gigabytes of it.
# Everything else comes first, by its hash. The stamp is written last, so an install that was
# interrupted is done again. An environment that is there and sound is kept.
$(STAMP): pyproject.toml constraints.txt hashes.txt
	@$(BIN)/python -c '$(SUITABLE); import pip' 2>/dev/null || { \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    $$python -c '$(SUITABLE)' 2>/dev/null || continue; \
	    echo "Creating $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv --clear $(VENV); \
	  done; \
	  echo "No Python from 3.11 to 3.14 with its venv module was found." >&2; \
	  echo "Debian, Ubuntu: apt-get install python3 python3-venv" >&2; \
	  echo "Elsewhere, name one: make setup PYTHON=path/to/python3.11" >&2; \
	  exit 1; }
	@echo "Installing the pinned packages into $(VENV): a few minutes the first time"
	@$(BIN)/python -m pip install $(HASHED)
ifdef TORCH_BACKEND
	@$(BIN)/uv pip install --python $(BIN)/python --torch-backend $(TORCH_BACKEND) $(ANEW) $(PINNED)
else
	@$(BIN)/python -m pip install $(PINNED)
endif
	@$(BIN)/python -m pip check
	@$(BIN)/python -m fl_common.functions.runner.build || echo "Functions in Python need it; the rest does not."
	@touch $@
