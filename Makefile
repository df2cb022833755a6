# Weir. `make help` lists what there is to do.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.release=$(VERSION)
TIMED    := tools/timed
FUZZTIME ?= 10s
BENCH    ?= .
# As root the tests install what they need, so a missing server is a failure.
REQUIRE  := $(if $(filter 0,$(shell id -u)),1,)

.DEFAULT_GOAL := help
.PHONY: help build run test check unit allocs real bench fuzz clean setup

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/weir
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/weir ./cmd/weir

run: build ## a live example on embedded defaults; ends with Ctrl-C
	bin/weir demo

test: ## everything: check, unit tests, fuzz targets briefly, real servers
	@$(TIMED) total $(MAKE) --no-print-directory setup check unit allocs fuzz real

check: ## formatting, vet, staticcheck and its kin, the import law, go.mod
	@$(TIMED) gofumpt tools/quiet $(TOOL) gofumpt -l .
	@$(TIMED) vet $(GO) vet ./...
	@$(TIMED) staticcheck $(TOOL) staticcheck ./...
	@$(TIMED) errcheck $(TOOL) errcheck -ignoretests -exclude tools/errcheck.txt ./...
	@$(TIMED) unparam $(TOOL) unparam ./...
	@$(TIMED) deadcode tools/quiet $(TOOL) deadcode -test ./...
	@$(TIMED) laws $(GO) test -count=1 -run '^TestLaw' ./internal/app
	@$(TIMED) go.mod $(GO) mod tidy -diff

unit: ## the tests that need no other server, with the race detector
	@$(TIMED) unit $(GO) test -race -shuffle=on $$($(GO) list ./... | grep -v '/integration$$')

allocs: ## the tests of what must not allocate, which the race detector disturbs
	@$(TIMED) allocs $(GO) test -run 'Alloc|Buffer' ./internal/smtp ./policies ./health

real: ## the tests of the built binary between real senders and connectors
	@$(TIMED) integration env WEIR_RACE=1 WEIR_REQUIRE=$(REQUIRE) $(GO) test -race -shuffle=on -count=1 -timeout 20m ./integration

fuzz: ## each fuzz target for FUZZTIME (10s); `make fuzz FUZZTIME=1h` for a long look
	@$(TIMED) fuzz tools/fuzz $(FUZZTIME)

bench: ## the Go benchmarks: codec, scanner, pick, a whole session
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

setup: ## install the servers that the tests use (Debian, as root)
	@$(TIMED) setup tools/setup

clean: ## remove what was built
	rm -rf bin
	$(GO) clean -testcache
