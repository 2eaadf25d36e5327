.PHONY: run test lint bench fuzz faults chart-test

run: ## the bridge, on this machine
	go run ./cmd/crm-bridge

test: ## everything that needs only Go
	go test ./...

lint: ## the rules that a machine can see; installs golangci-lint where it is missing
	.ci/lint

bench: ## the bridge beside the least that could be done, in one run
	go run ./test/bench

fuzz: ## every parser for an hour; FUZZTIME says how long in all
	.ci/fuzz $(or $(FUZZTIME),60m)

faults: ## break what a bridge under load rests on, and compare every 200; on Linux, all of it as root; FAULTS='-only journal' and more
	cd test/faults && go run . $(FAULTS)

chart-test: ## render the Helm chart for a matrix of values and look at what Kubernetes would get; CHARTFLAGS=-update writes the golden manifests and the README's table
	$(if $(CHARTFLAGS),cd charts/crm-bridge/test && go test -count=1 . $(CHARTFLAGS),.ci/chart)
