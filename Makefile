# Weir. `make help` lists what there is to do.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.release=$(VERSION)
TIMED    := tools/timed
FUZZTIME ?=
# Of the benchmarks: where a table goes, 1 for fewer messages, a single row's name (bench-faults), rows and rounds (bench).
OUT      ?= bin/faults.md
QUICK    ?=
ROW      ?=
ROWS     ?=
ROUNDS   ?=
BENCH    ?= .
HOURS    := ^(TestEveryFaultIsFound|TestNoFalseAlarms|TestCourtOnRandomEvents)
# As root the tests install what they need, so a missing server is a failure.
REQUIRE  := $(if $(filter 0,$(shell id -u)),1,)

.DEFAULT_GOAL := help
.PHONY: page-shots plots help build pgo run test check unit hours allocs real bench bench-go bench-growth bench-half bench-idle bench-micro bench-faults bench-consul bench-page fuzz clean setup

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/weir
	$(GO) build -trimpath -pgo=cmd/weir/weir.pgo -ldflags '$(LDFLAGS)' -o bin/weir ./cmd/weir

# Its name is not default.pgo: tests build weir too, with the race detector, and would compile everything once more for nothing.
pgo: ## write the profile anew that make build optimises by; half a minute, and the next build is a long one
	$(GO) test -run '^$$' -bench '^BenchmarkSession' -benchtime 3s -o bin/pgo.test -cpuprofile cmd/weir/weir.pgo ./balancer

run: build ## a live example on embedded defaults; ends with Ctrl-C
	bin/weir demo

test: ## everything: check, unit tests, fuzz targets briefly, real servers
	@$(TIMED) total $(MAKE) --no-print-directory setup check unit hours allocs fuzz real

check: ## formatting, vet, staticcheck and its kin, the import law, go.mod
	@$(TIMED) gofumpt tools/quiet $(TOOL) gofumpt -l .
	@$(TIMED) vet $(GO) vet ./...
	@$(TIMED) staticcheck $(TOOL) staticcheck ./...
	@$(TIMED) errcheck $(TOOL) errcheck -ignoretests -exclude tools/errcheck.txt ./...
	@$(TIMED) unparam $(TOOL) unparam ./...
	@$(TIMED) deadcode tools/quiet $(TOOL) deadcode -test ./...
	@$(TIMED) laws $(GO) test -count=1 -run '^TestLaw' ./internal/app
	@$(TIMED) go.mod $(GO) mod tidy -diff

unit: ## the tests of each room, with the race detector; DNS's with real name servers
	@$(TIMED) unit env WEIR_REQUIRE=$(REQUIRE) $(GO) test -race -shuffle=on -skip '$(HOURS)' $$($(GO) list ./... | grep -v '/integration$$')

hours: ## the hours of virtual time that the judging code is put through; it has no goroutines to race
	@$(TIMED) hours $(GO) test -shuffle=on -run '$(HOURS)' ./health

allocs: ## the tests of what must not allocate, and of what an idle session costs, which the race detector disturbs
	@$(TIMED) allocs $(GO) test -run 'Alloc|Buffer|IdleSession' ./internal/smtp ./internal/history ./internal/app ./policies ./health ./internal/sim ./balancer

real: ## the tests of the built binary between real senders and connectors
	@$(TIMED) integration env WEIR_RACE=1 WEIR_REQUIRE=$(REQUIRE) $(GO) test -race -shuffle=on -count=1 -parallel 4 -timeout 30m ./integration

fuzz: ## all fuzz targets, three minutes together; `make fuzz FUZZTIME=1h` gives each an hour
	@$(TIMED) fuzz tools/fuzz $(FUZZTIME)

bench: build ## weir beside HAProxy, nginx and nobody, every shape of load by turns; ROUNDS=N, ROWS=REGEXP, OUT=FILE, QUICK=1 is short
	@$(TIMED) setup tools/setup
	@mkdir -p $(dir $(OUT))
	@$(TIMED) bench $(GO) run ./integration/bench -weir bin/weir $(if $(QUICK),-quick) $(if $(ROUNDS),-rounds $(ROUNDS)) -rows '$(ROWS)' -out $(abspath $(OUT))
bench: OUT = bin/bench.md

# The parts of the benchmark beside the comparison; ONLY=REGEXP chooses within them.
ONLY ?=
PART = $(GO) run ./integration/bench $(1) -out bin/$(1).md -only '$(ONLY)' $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(QUICK),-quick)

bench-growth: ## how cost grows with sessions, connectors, routes and size, and the plots of it in docs/img; ONLY=REGEXP, ROUNDS=N, QUICK=1 is short
	@$(TIMED) setup tools/setup
	@rm -rf bin/charts && mkdir -p bin/charts
	@$(TIMED) growth $(call PART,growth) -charts bin/charts
	@$(if $(QUICK),,for c in bin/charts/*.json; do \
	  $(GO) run -C tools/plot . $(CURDIR)/$$c $(CURDIR)/docs/img/$$(basename $$c .json).svg || exit 1; \
	done)

bench-half: ## the time of a message at half of the greatest rate, weir beside HAProxy and nobody; ONLY=REGEXP, ROUNDS=N, QUICK=1 is short
	@$(TIMED) setup tools/setup
	@mkdir -p bin
	@$(TIMED) halfload $(call PART,halfload)

bench-idle: ## memory of 5000 and 15 000 sessions that wait, and the connections that they hold; ONLY=REGEXP of front ends
	@$(TIMED) setup tools/setup
	@mkdir -p bin
	@$(TIMED) idle $(call PART,idle)

bench-go: ## all Go benchmarks; BENCH=REGEXP
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-micro: ## codec, scanner, pick, snapshot, session beside the last committed figures; BENCH=REGEXP, SAVE=1 replaces the figures
	@BENCH='$(BENCH)' SAVE='$(SAVE)' $(TIMED) micro tools/bench-micro

bench-faults: ## every fault on one of four connectors, weir beside HAProxy; OUT=FILE takes the table, QUICK=1 is short
	@$(TIMED) setup tools/setup
	@mkdir -p $(dir $(OUT)) && rm -f $(OUT)
	@WEIR_BENCH_FAULTS=1 WEIR_BENCH_QUICK=$(QUICK) WEIR_BENCH_OUT=$(abspath $(OUT)) \
	  $(TIMED) faults $(GO) test -count=1 -timeout 40m -parallel 6 -run '^TestBenchFaults$$/./$(ROW)' ./integration; \
	  status=$$?; cat $(OUT); exit $$status

bench-consul: ## how soon a change in Consul or a drain decides, and what thousands of instances cost; QUICK=1 is short
	@$(TIMED) setup tools/setup
	@WEIR_BENCH_CONSUL=1 WEIR_BENCH_QUICK=$(QUICK) WEIR_REQUIRE=$(REQUIRE) \
	  $(TIMED) consul $(GO) test -count=1 -timeout 40m -v -run '^TestBenchConsul$$' ./integration

bench-page: ## what 400 open streams and 40 scrapes a second cost the mail, watched and unwatched by turns; QUICK=1 is short
	@$(TIMED) setup tools/setup
	@WEIR_BENCH_PAGE=1 WEIR_BENCH_QUICK=$(QUICK) WEIR_REQUIRE=$(REQUIRE) \
	  $(TIMED) page $(GO) test -count=1 -timeout 40m -v -run '^TestBenchPage$$' ./integration

bench-tls: ## throughput with TLS at the edge, weir beside HAProxy in front of the same sinks; QUICK=1 is short
	@$(TIMED) setup tools/setup
	@WEIR_BENCH_TLS=1 WEIR_BENCH_QUICK=$(QUICK) WEIR_REQUIRE=$(REQUIRE) \
	  $(TIMED) tls $(GO) test -count=1 -timeout 40m -v -run '^TestBenchTLS$$' ./integration

bench-abuse: ## what 10 000 idle, slow and unwelcome connections cost in each stage, and what honest senders notice; QUICK=1 is short
	@$(TIMED) setup tools/setup
	@WEIR_BENCH_ABUSE=1 WEIR_BENCH_QUICK=$(QUICK) WEIR_REQUIRE=$(REQUIRE) \
	  $(TIMED) abuse $(GO) test -count=1 -timeout 40m -v -run '^TestBenchAbuse$$' ./integration

page-shots: ## draw the pictures of docs/img anew, with Chromium; a minute and a half
	@WEIR_PAGE_SHOTS=$(abspath docs/img) WEIR_REQUIRE=$(REQUIRE) $(TIMED) shots $(GO) test -count=1 -run '^TestPage_Shots$$' ./integration

plots: build ## draw docs/img/sim-*.svg anew from the scenarios that come with weir
	@for s in slow-tenth stuck-one rolling-restart; do \
	  bin/weir simulate $$s -o json > bin/$$s.json && \
	  $(GO) run -C tools/plot . $(abspath bin)/$$s.json $(abspath docs/img)/sim-$$s.svg || exit 1; \
	done

setup: ## install the servers that the tests use (Debian, as root), and build a Consul
	@$(TIMED) setup tools/setup

clean: ## remove what was built
	rm -rf bin
	$(GO) clean -testcache
