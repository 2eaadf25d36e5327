.PHONY: run test lint bench bench-replay fuzz faults examples

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
