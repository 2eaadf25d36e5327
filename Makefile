.DEFAULT_GOAL := run
.PHONY: help run test lint bench bench-page bench-smoke bench-replay bench-forward bench-records grow fuzz faults proxies examples chart-test cluster console console-pictures image vuln sbom release

# What is stamped into the image: a tag of this commit, or the version that is being worked on.
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v*' 2>/dev/null)),0.2.0-dev)
COMMIT ?= $(or $(shell git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null),unknown)
IMAGE ?= crm-bridge:$(VERSION)
DOCKER ?= docker

help: ## list these targets
	@awk -F ': ## ' '/^[a-z-]+: ## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the bridge on this machine
	go run ./cmd/crm-bridge

test: ## run every test that needs only Go
	go test ./...

lint: ## check Go and the workflows; installs the linters if missing
	.ci/lint

bench: ## measure the bridge beside the least that any program could do
	go run ./test/bench -parts all $(if $(PEER),-peer $(PEER))

bench-page: ## measure everything and rewrite docs/performance.md; PEER=FILE of Bento, which .ci/peer builds
	go run ./test/bench -parts all $(if $(PEER),-peer $(PEER)) -write docs/performance.md
	go run ./test/bench/replay -write docs/performance.md
	go run ./test/bench/forward -write docs/performance.md
	go run ./test/bench/records -write docs/performance.md

bench-smoke: ## fail if the bridge is far slower than it was, in less than a minute
	go run ./test/bench -smoke

bench-replay: ## replay 200,000 events to stdout, beside a bare ordered consumer
	go run ./test/bench/replay

bench-forward: ## forward a journal of 100,000 events, beside plain asynchronous publish
	go run ./test/bench/forward

bench-records: ## lag of records, a bulk change, and a backfill of 200,000 records
	go run ./test/bench/records

grow: ## start and ask a bridge with 5 million events; makes a store of 6 GB in the folder for temporary files
	go run ./test/grow

fuzz: ## fuzz every parser for an hour in all; FUZZTIME=10m for less
	.ci/fuzz $(or $(FUZZTIME),60m)

faults: ## break what a loaded bridge depends on and compare every 200; needs Linux and root for all of it; FAULTS='-only journal' for some
	cd test/faults && go run . $(FAULTS)

examples: ## run the programs in examples/ and kill them under load; needs Node
	.ci/examples

console: ## drive the console in Chromium: every page and every action; needs Chromium and npm
	.ci/console $(CONSOLEFLAGS)

proxies: ## nginx and Caddy in front of the bridge, reloaded and upgraded under load; PROXIES='-without socket' to see what a setting is for
	.ci/proxies $(PROXIES)

console-pictures: ## take the pictures of docs/console.md and docs/first-steps.md again
	.ci/console -run 'TestPictures$$|TestFirstSteps' -update -timeout 30m

image: ## build the container image; IMAGE=name, PLATFORM=linux/arm64, DOCKER=podman
	@command -v $(DOCKER) >/dev/null || { echo "make image needs $(DOCKER), which is not on this machine: install Docker, or name another with DOCKER=podman" >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { echo "make image: $(DOCKER) is here, but its engine does not answer: start it, or join the group that may use it" >&2; exit 1; }
	DOCKER_BUILDKIT=1 $(DOCKER) build $(if $(PLATFORM),--platform $(PLATFORM)) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --tag $(IMAGE) .

vuln: ## fail for a known vulnerability in a program; VULNFLAGS=-fresh asks the published database
	go -C .ci/vuln run . $(VULNFLAGS)

sbom: ## list what the program is made of, with licences: dist/crm-bridge.cdx.json (CycloneDX)
	VERSION=$(VERSION) COMMIT=$(COMMIT) .ci/sbom/write dist/crm-bridge.cdx.json

release: ## build archives, SBOMs, the packaged chart and checksums of this commit in dist/; PLATFORMS=linux/amd64,… for some
	GOTOOLCHAIN=go$(shell cat .go-version) VERSION=$(VERSION) COMMIT=$(COMMIT) go run ./.ci/release $(if $(PLATFORMS),-platforms $(PLATFORMS))

cluster: ## install the chart in a Kubernetes cluster and break it under load; CLUSTER='-context NAME -image NAME:TAG', or none for one made with kind
	$(if $(CLUSTER),cd test/cluster && go run . $(CLUSTER),.ci/cluster)

chart-test: ## test the Helm chart; CHARTFLAGS=-update writes the golden manifests and the README's table
	$(if $(CHARTFLAGS),cd charts/crm-bridge/test && go test -count=1 . $(CHARTFLAGS),.ci/chart)
