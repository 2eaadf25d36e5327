.PHONY: run test lint bench bench-replay fuzz faults examples chart-test image sbom

# What is stamped into the image: a tag of this commit, or the version that is being worked on.
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v*' 2>/dev/null)),0.1.0-dev)
COMMIT ?= $(or $(shell git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null),unknown)
IMAGE ?= crm-bridge:$(VERSION)
DOCKER ?= docker

run: ## the bridge, on this machine
	go run ./cmd/crm-bridge

test: ## everything that needs only Go
	go test ./...

lint: ## the rules that a machine can see; installs golangci-lint where it is missing
	.ci/lint

bench: ## the bridge beside the least that could be done, in one run
	go run ./test/bench

bench-replay: ## 200,000 events replayed to stdout, beside a bare ordered consumer, in one run
	go run ./test/bench/replay

fuzz: ## every parser for an hour; FUZZTIME says how long in all
	.ci/fuzz $(or $(FUZZTIME),60m)

faults: ## break what a bridge under load rests on, and compare every 200; on Linux, all of it as root; FAULTS='-only journal' and more
	cd test/faults && go run . $(FAULTS)

examples: ## build the programs in examples/, and kill them and the bridge while callbacks come in; needs Node
	.ci/examples

image: ## the container image, as IMAGE says; PLATFORM=linux/arm64 for another machine, DOCKER=podman without Docker
	@command -v $(DOCKER) >/dev/null || { echo "make image needs $(DOCKER), which is not on this machine: install Docker, or name another with DOCKER=podman" >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { echo "make image: $(DOCKER) is here, but its engine does not answer: start it, or join the group that may use it" >&2; exit 1; }
	DOCKER_BUILDKIT=1 $(DOCKER) build $(if $(PLATFORM),--platform $(PLATFORM)) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --tag $(IMAGE) .

sbom: ## what the program is made of, with licences: dist/crm-bridge.cdx.json (CycloneDX)
	VERSION=$(VERSION) COMMIT=$(COMMIT) .ci/sbom/write dist/crm-bridge.cdx.json

chart-test: ## render the Helm chart for a matrix of values and look at what Kubernetes would get; CHARTFLAGS=-update writes the golden manifests and the README's table
	$(if $(CHARTFLAGS),cd charts/crm-bridge/test && go test -count=1 . $(CHARTFLAGS),.ci/chart)
