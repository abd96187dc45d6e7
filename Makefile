# One word a habit. `make` lists them.
GO ?= go
FUZZTIME ?= 30s

.PHONY: help build test race soak latency bench fuzz golden lint demo ci

help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

build: ## build bin/radicado
	$(GO) build -o bin/radicado ./cmd/radicado

test: ## run all tests
	$(GO) test ./...

race: ## run all tests with the race detector
	$(GO) test -race ./...

soak: ## run the long forms: 200 kills for each after-store action, 50,000 mails in flat memory
	RADICADO_SOAK=1 RADICADO_REQUIRE_SERVERS=1 $(GO) test -v -count 1 -timeout 60m -run '^Test(Fault|Soak)' ./cmd/radicado

latency: ## measure delivery to ticket on Dovecot, 300 mails, on a machine that does nothing else
	RADICADO_SOAK=1 RADICADO_REQUIRE_SERVERS=1 $(GO) test -v -count 1 -run '^TestLatency$$' ./cmd/radicado

bench: ## run all benchmarks, six times each, into bench.txt for benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./... | tee bench.txt

fuzz: ## run every fuzz target for FUZZTIME each
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p; \
	  done; done

golden: ## rewrite all golden files, then read their diff like code
	$(GO) test ./ingest/mime ./classify ./web ./cmd/radicado -update

lint: ## gofmt, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	staticcheck ./...

demo: ## show the whole chain on sample mail
	$(GO) run ./cmd/radicado demo

ci: ## what CI runs
	bash .ci/run
