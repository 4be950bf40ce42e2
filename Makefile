# Short names for what a developer runs. "make" lists them.

GO ?= go
FUZZTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help check test lint routers fuzz bench clock strays keys fleet

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## everything that must hold for a change, as in .ci/run; more than ten minutes
	.ci/run

test: ## the tests of the main module
	$(GO) test ./...

lint: ## format, go vet, staticcheck, and the rules of internal/archtest
	.ci/run format lint rules

routers: ## Klas's webhooks on chi, echo, gin, gorilla/mux and behind middleware; a minute
	.ci/run routers

fuzz: ## each fuzz target for FUZZTIME, 30s by default
	FUZZTIME=$(FUZZTIME) .ci/run fuzz

bench: ## all benchmarks, six times, for benchstat; BENCH is a pattern of their names
	$(GO) test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem -count 6 ./...
	cd internal/benchmarks && $(GO) test -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 100x -cpu 1 -count 6 ./...

clock: ## the tests that set the wall clock while the monotonic clock goes on
	.ci/run clock

# Ten minutes of simulated time for each rate of stray rejections, in the four
# packages that make calls. Eight minutes. The gate has it in a short form.
strays: ## a long run with stray rejections; eight minutes
	LONG=1 $(GO) test -v -p 1 -timeout 30m -run 'TestClient_(Strays|BadEndpoints|Outage|QuotaOfAMerchant)' \
		./partnerjwt ./assetpay ./merchantauth ./platformtoken

# A million keys that fail, and a million tokens that live. One minute.
keys: ## a long run with a million keys; one minute
	LONG=1 $(GO) test -v -run failingKeys ./internal/tokencache
	$(GO) test -run '^$$' -bench MillionKeys -benchtime 1x ./internal/tokencache

# Fleets of real processes on a real Redis: killed and stopped processes, a Redis
# that is away or loses its data. Ten minutes. The gate has it in a short form.
fleet: ## eight processes that share tokens in Redis, the whole table; ten minutes
	cd examples/replicas && $(GO) run ./internal/fleet
