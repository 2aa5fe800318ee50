# Everything installs itself into .venv and .tools of this checkout. Start with `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE # where it is set, each process compiles all that it imports

PYTHON ?= python3
PORT ?= 8000
PROMETHEUS_PORT ?= 9090
ALERTMANAGER_PORT ?= 9093
WEBHOOK_PORT ?= 9095
DATA ?= .data
TERRAFORM_DIR ?= terraform
DOCKERFILE ?= Dockerfile
CHART_PIN ?= monitoring/chart/pin.yaml
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder --durations 10
OUT ?= rendered
LOAD := .tools/bench/bin/load
BASE ?= origin/main
HEAD ?= HEAD

include tools/tools.mk

.PHONY: help run run-monitoring oncall alerts test test-quick test-all render validate check format lock pins clean
.PHONY: review review-comment image-test client-check e2e e2e-kind bench compare attack bench-scale bench-leases bench-queues bench-board terraform terraform-audit github-variables

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Start the service with its own PostgreSQL (PORT=8000 DATA=.data)
	@exec $(BIN)/taskpulse dev --port '$(PORT)' --data '$(DATA)'

test: $(READY) ## Lint, types and the quick tests (ARGS='-k claim' goes to pytest)
	@$(MAKE) --jobs check validate
	@$(MAKE) test-quick

test-quick: $(TOOLS) ## The quick tests alone (ARGS=tests/app for those of a folder)
	@$(PYTEST) -m 'not slow' $(ARGS)

test-all: $(READY) ## All tests except those of e2e and client-check: the quick and the slow ones
	@$(MAKE) --jobs check validate $(CONTROLPLANE) $(MONITORING) $(HELM) $(ACT) $(CRANE) $(LOAD) .tools/checkov/.ready
	@$(PYTEST) -m 'not e2e and not clients' $(ARGS)

check: $(READY) ## Lint, format, layers, types and YAML only
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .

client-check: .tools/clients/.ready ## Generate clients and check their types; run programs with them, and the examples in JavaScript
	@$(BIN)/pytest -m clients tests/clients tests/examples

.tools/clients/.ready: requirements/clients.txt tests/clients/typescript/package-lock.json | $(READY)
	@echo "Installing the client generators into .tools ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/clients/venv
	@$(BIN)/uv pip install --quiet --python .tools/clients/venv/bin/python --no-deps --require-hashes -r requirements/clients.txt
	@cp tests/clients/typescript/package.json tests/clients/typescript/package-lock.json .tools/clients
	@PATH="$$PWD/.tools/clients/venv/bin:$$PATH" npm ci --prefix .tools/clients --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

image-test: $(READY) ## Build the image with Docker, Podman or Buildah, measure and run it
	@IMAGE_REQUIRED=1 $(BIN)/pytest -s tests/image

e2e: $(TOOLS) ## Deploy to the current cluster, and try to break it (tests/e2e/README.md)
	@$(BIN)/pytest -s -m e2e tests/e2e

e2e-kind: ## `make e2e` in a cluster of kind on this machine, whose Services it makes a route to
	@node="$$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' kind-control-plane)"; \
	DATABASE_HOST="$$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -F .)"; \
	sudo ip route replace 10.96.0.0/16 via "$$node"; \
	DATABASE_HOST="$$DATABASE_HOST" $(MAKE) e2e

run-monitoring: $(TOOLS) $(MONITORING) ## The service, Prometheus and Alertmanager, and a worker that goes quiet (PORT, PROMETHEUS_PORT, ALERTMANAGER_PORT, WEBHOOK_PORT)
	@exec $(BIN)/python -m monitoring.local.run --port '$(PORT)' --data '$(DATA)' --prometheus-port '$(PROMETHEUS_PORT)' \
	  --alertmanager-port '$(ALERTMANAGER_PORT)' --webhook-port '$(WEBHOOK_PORT)'

oncall: ## Forward Grafana, Prometheus, Alertmanager and dev's board of the current cluster to where links in alerts lead
	@trap 'kill 0' EXIT; \
	kubectl -n monitoring port-forward svc/monitoring-grafana 3000:80 & \
	kubectl -n monitoring port-forward svc/monitoring-prometheus 9090:9090 & \
	kubectl -n monitoring port-forward svc/monitoring-alertmanager 9093:9093 & \
	if kubectl get namespace taskpulse-dev > /dev/null 2>&1; then \
	  kubectl -n taskpulse-dev port-forward svc/taskpulse-api 8080:80 & \
	fi; \
	wait

alerts: $(TOOLS) ## Make the table of alerts in monitoring/README.md anew
	@$(BIN)/python -m tests.monitoring.table

render: $(TOOLS) ## Render each overlay to a file (OUT=rendered)
	@$(BIN)/python -m delivery render --out '$(OUT)'

validate: $(TOOLS) ## Check manifests, workflows and Dockerfile, without a cluster
	@$(BIN)/yamllint --strict base overlays .github
	@.tools/bin/actionlint
	@said="$$($(BIN)/zizmor --offline --no-progress --quiet .github 2>&1)" || { echo "$$said" >&2; exit 1; }
	@$(BIN)/hadolint Dockerfile tests/e2e/crashing/Dockerfile
	@$(BIN)/python -m delivery validate

review review-comment: OUT = build/review

review: $(TOOLS) ## What a commit would change, as comment, page and renders (BASE=origin/main HEAD=HEAD OUT=build/review)
	@$(BIN)/python -m delivery review --base '$(BASE)' --head '$(HEAD)' --out '$(OUT)'

review-comment: $(READY)
	@$(BIN)/python -m delivery comment --file '$(OUT)/comment.md' --pull-request '$(PULL_REQUEST)' --commit '$(HEAD)' --page '$(PAGE)'

pins: $(CRANE) ## Pin the base image and the monitoring chart by the digests that their versions have now
	@image="$$(sed -n 's|^FROM \([^@ ]*\).* AS base$$|\1|p' '$(DOCKERFILE)')"; digest="$$(.tools/bin/crane digest "$$image")"; \
	sed -i "s|^FROM .* AS base$$|FROM $$image@$$digest AS base|" '$(DOCKERFILE)'; \
	chart="$$(sed -n 's|^chart: oci://||p' '$(CHART_PIN)'):$$(sed -n 's|^version: ||p' '$(CHART_PIN)')"; digest="$$(.tools/bin/crane digest "$$chart")"; \
	sed -i -e '/^digest: /d' -e "/^version: /a digest: $$digest" '$(CHART_PIN)'

format: $(READY) ## Format the Python code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(READY) ## Compile requirements/ anew from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@compile="$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 $(UPGRADE)"; \
	export UV_CUSTOM_COMPILE_COMMAND='make lock'; \
	$$compile requirements/uv.in -o requirements/uv.txt; \
	$$compile requirements/audit.in -o requirements/audit.txt; \
	$$compile requirements/clients.in -o requirements/clients.txt; \
	$$compile requirements/go.in -o requirements/go.txt; \
	$$compile requirements/build.in -o requirements/build.txt; \
	$$compile pyproject.toml -o requirements/run.txt; \
	$$compile pyproject.toml --extra dev --constraint requirements/run.txt -o requirements/dev.txt; \
	$$compile bench/requirements.in --constraint requirements/dev.txt -o requirements/bench.txt

bench-queues: $(READY) ## What labels and queues cost (SIZES=100000,1000000; about 10 minutes)
	@$(BIN)/python -m bench.queues

bench-board: $(READY) ## How fast the board is in Chromium, and what 200 events a second cost it (TASKS=100000 SECONDS=60)
	@$(BIN)/python -m bench.board

bench: .tools/bench/.ready ## Requests a second beside peers (ROUNDS=3 SECONDS=3; about 18 minutes)
	@$(BIN)/python -m bench.run
	@PYTHONPATH=.tools/bench $(BIN)/python -m bench.report

compare: $(LOAD) ## What each operation costs beside a commit (BASE=origin/main BOUND=1.03; about 5 minutes)
	@BASE='$(BASE)' $(BIN)/python -m bench.compare

attack: $(READY) ## What one client can do to the service, row by row (TASKS=200000 SECONDS=20 ONLY=bodies; about 10 minutes)
	@$(BIN)/python -m bench.attack

bench-scale: $(READY) ## What 1,000,000 tasks cost beside 100,000 (about 5 minutes)
	@$(BIN)/python -m bench.scale

bench-leases: .tools/bench/.ready ## Claims and completions a second, beside procrastinate
	@PYTHONPATH=.tools/bench $(BIN)/python bench/leases.py

$(LOAD): bench/go.mod bench/go.sum $(wildcard bench/load/*.go) | $(READY) $(GO_READY)
	@cd bench && ../$(GO)/bin/go build -o ../$@ ./load

.tools/bench/.ready: requirements/bench.txt bench/go.mod bench/go.sum $(wildcard bench/peers/go_pgx/*.go) | $(LOAD)
	@echo "Installing the peers into .tools ..."
	@$(BIN)/uv pip install --quiet --target .tools/bench --no-deps --require-hashes -r requirements/bench.txt
	@cd bench && ../$(GO)/bin/go build -o ../.tools/bench/bin/ ./peers/go_pgx
	@touch $@

terraform-audit: .tools/checkov/.ready ## Audit the Terraform configuration with checkov
	@.tools/checkov/bin/checkov --directory '$(TERRAFORM_DIR)' --framework terraform --compact --quiet --skip-download

.tools/checkov/.ready: requirements/audit.txt | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/checkov
	@$(BIN)/uv pip install --quiet --python .tools/checkov/bin/python --no-deps --require-hashes -r requirements/audit.txt
	@touch $@

terraform: ## Run terraform with the state and the values of an environment (ENV=dev ARGS=plan)
	@folder='$(TERRAFORM_DIR)/environments'; refuse() { echo "make: $$1" >&2; exit 1; }; \
	[ -n '$(ENV)' ] && [ -f "$$folder/$(ENV).gcs.tfbackend" ] || refuse "say which environment: make terraform ENV=dev (or main) ARGS=plan"; \
	[ -n '$(if $(ARGS),given)' ] || refuse "say what terraform is to do: make terraform ENV=$(ENV) ARGS=plan"; \
	command -v terraform >/dev/null || refuse "no 'terraform' here; docs/first-deployment.md says what to install"; \
	[ -z '$(strip $(foreach option,-var-file -backend-config -chdir,$(findstring $(option),$(ARGS))))' ] || refuse "leave out -var-file, -backend-config and -chdir: ENV=$(ENV) chooses them"; \
	grep -Eq '^environment *= *"$(ENV)"' "$$folder/$(ENV).tfvars" || refuse "$$folder/$(ENV).tfvars is not for $(ENV): it must say environment = \"$(ENV)\""; \
	grep -Eq '^bucket *= *"[^"]+"' "$$folder/$(ENV).gcs.tfbackend" || refuse "$$folder/$(ENV).gcs.tfbackend names no bucket; docs/first-deployment.md says how to make one"; \
	export TF_DATA_DIR='.terraform/$(ENV)' TF_CLI_ARGS_init='-backend-config=environments/$(ENV).gcs.tfbackend'; \
	for command in plan apply destroy import refresh console; do export TF_CLI_ARGS_$$command='-var-file=environments/$(ENV).tfvars'; done; \
	terraform -chdir='$(TERRAFORM_DIR)' init -reconfigure -input=false >/dev/null; \
	exec terraform -chdir='$(TERRAFORM_DIR)' $(ARGS)

github-variables: ## Set the variables of ENV's two environments in GitHub from Terraform's outputs (ENV=dev)
	@command -v gh >/dev/null || { echo "make: no 'gh' here; docs/first-deployment.md says what to install" >&2; exit 1; }
	@outputs="$$($(MAKE) terraform ENV='$(ENV)' ARGS='output -json github_actions_variables')"; \
	variables="$$($(PYTHON) -c 'import json, sys; [print(f"{name}={value}") for name, value in json.load(sys.stdin).items()]' <<< "$$outputs")"; \
	for environment in '$(ENV)' '$(ENV)-image'; do gh variable set --env "$$environment" --env-file - <<< "$$variables"; done

clean: ## Remove what make built (data folders stay)
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(READY): requirements/uv.txt requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no '$(PYTHON)' here. Install Python 3.11 or newer, or say PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: '$(PYTHON)' is older than 3.11. Say PYTHON=/path/to/a/newer/python3." >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || { echo "make: Python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
