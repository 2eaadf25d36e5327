.PHONY: run test lint bench fuzz faults

run: ## the bridge, on this machine
	go run ./cmd/crm-bridge

test: ## everything that needs only Go
	go test ./...

lint: ## the rules that a machine can see; installs golangci-lint where it is missing
	.ci/lint

bench: ## what an event costs between the callback and the wire
	go test -run "^$$" -bench . -benchmem ./ingest/zoho

fuzz: ## every parser for an hour; FUZZTIME says how long in all
	.ci/fuzz $(or $(FUZZTIME),60m)

faults: ## break what a bridge under load rests on, and compare every 200; on Linux, all of it as root; FAULTS='-only journal' and more
	cd test/faults && go run . $(FAULTS)
