# The targets that contributors use. `make` alone lists them.
# Needs Go, a C compiler (for the race detector) and a POSIX shell.

MODULES  := $(shell sed -n 's/^\(use\)\{0,1\}[[:space:]]*\(\.[^[:space:]]*\).*/\2/p' go.work)
BIN      := $(CURDIR)/bin
FUZZTIME ?= 10s
BENCH    ?= .

# The race detector watches everything but the SQLite that a program translated from C:
# that code is not ours, and makes tests on it four times as slow.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false

# Tools are pinned, so that a new release of one does not fail an old commit.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck
GOVULNCHECK_VERSION := v1.8.0
export PATH := $(BIN):$(PATH)

ifeq ($(strip $(MODULES)),)
$(error go.work names no module)
endif

# $(call each,command) runs a command in every module, and stops at the first
# failure.
each = @set -e; for m in $(MODULES); do echo "-- $$m: $(1)"; (cd "$$m" && $(1)); done

# $(call tool,package,version) installs a tool into ./bin, unless that version
# is already there.
tool = @go version -m "$(BIN)/$(notdir $(1))" 2>/dev/null | grep -q '[[:space:]]mod[[:space:]].*[[:space:]]$(2)[[:space:]]' || \
	{ echo "installing $(notdir $(1)) $(2)"; GOBIN="$(BIN)" go install $(1)@$(2); }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# The race detector makes a test up to eighty times as slow, so some go without it: those
# that read or step much with one goroutine; the example that replays a log; tests of
# internal/dbtests that run one goroutine, or run once more what TestStore runs, in another
# way of connecting; and the programs below cmd, whose children are other processes.
# Where a suite for stores goes without it, the cases with several goroutines do not.
PLAIN     := ^Test(ExportedNamesArePinned|RootPackageKeepsToItsBudget|ParseNumberCatches.*|MoveOutAfterAnInterruption|TimersThatCannotBeFired|FailureNamesTheMethod)$$
PLAIN_DB  := ^Test(Store|Store(With|Without|On).*|Variants.*|MigrationOfVariants.*|Disguises.*|PgBouncer|FilesWithTx|ErasureLeavesNoCanary|RefusedRollback.*|Plans.*|LongestQueriesAreAnswered|DataSourceNames.*|MigrationThatWasCutOffContinues|MissingParts|CheckFinds.*)$$
PLAIN_PKG := /examples/(replay|customstore/boltstore)$$
TOGETHER  := (Concurrency|Line|Mails|Candidates)
TESTFLAGS := -shuffle=on -parallel 4 -timeout 20m

.PHONY: test
test: ## all tests of all modules, in random order, most with the race detector
	@set -e; for m in $(filter-out ./internal/dbtests,$(MODULES)); do echo "-- $$m"; \
		(cd "$$m" && go test $(RACE) $(TESTFLAGS) -skip '$(PLAIN)' $$(go list ./... | grep -Ev '$(PLAIN_PKG)')); done
	go test $(TESTFLAGS) -run '$(PLAIN)|^TestFaults$$' . ./storetest ./files/filestest
	cd examples && go test $(TESTFLAGS) $$(go list ./... | grep -E '$(PLAIN_PKG)')
	cd examples && go test $(RACE) $(TESTFLAGS) -run '^TestStore$$/^$(TOGETHER)' ./customstore/boltstore
	cd internal/dbtests && go test $(RACE) $(TESTFLAGS) -skip '$(PLAIN_DB)|^TestCheck$$' . ./servers ./load
	cd internal/dbtests && go test $(RACE) $(TESTFLAGS) -run '^TestStore$$//^$(TOGETHER)' .
	cd internal/dbtests && go test $(TESTFLAGS) -run '$(PLAIN_DB)|^TestCheck$$' . ./load ./cmd/...
	cd internal/dbtests && go test $(TESTFLAGS) -skip '^TestCheck$$' ./cmd/...

.PHONY: webtest
webtest: ## the pages in Chromium: tasks, accessibility, pictures; WEBTEST='-run TestPages/console-queue' selects
	cd internal/webtests && go test -count=1 -timeout 30m . -browser $(WEBTEST)

.PHONY: servers
servers: ## install what tests start: PostgreSQL, MariaDB, pgbouncer, exim, dovecot, Chromium
	@.ci/servers

.PHONY: lint
lint: golangci-lint ## golangci-lint in all modules; .golangci.yaml explains the rules
	$(call each,golangci-lint run ./...)

.PHONY: lint-proof
lint-proof: golangci-lint ## prove that the linter finds forbidden imports
	@.ci/lint-proof

.PHONY: fmt-check
fmt-check: ## fail if a file is not formatted with gofmt
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted; run gofmt -w on:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## go vet in all modules
	$(call each,go vet ./...)

.PHONY: bench
bench: bench-go bench-db ## all benchmarks

.PHONY: bench-go
bench-go: ## the benchmarks of the library in memory; BENCH=regexp selects
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: bench-db
bench-db: ## sqlstore against the bare databases; BENCHDB='-store postgres -only Do/1' selects
	go run ./internal/dbtests/cmd/bench $(BENCHDB)

.PHONY: bench-relay
bench-relay: ## the relay: from commit to notifier, against the bare outbox, and for minutes on an empty database; BENCHRELAY='-store postgres' selects
	go run ./internal/dbtests/cmd/relaybench $(BENCHRELAY)

.PHONY: bench-mail
bench-mail: ## mails taken in a second against bare statements, and a mailbox of 100,000 old mails; BENCHMAIL='-store postgres' selects
	go run ./internal/dbtests/cmd/mailbench $(BENCHMAIL)

.PHONY: crash
crash: ## kill writers and servers again and again, and look for losses; CRASH='-store postgres -for 10s' selects
	go run ./internal/dbtests/cmd/crash $(CRASH)

.PHONY: faults
faults: ## let the mail server fail and kill relays, and look for lost notifications; FAULTS='-store postgres -tickets 500' selects
	go run ./internal/dbtests/cmd/faults $(FAULTS)

.PHONY: mailcrash
mailcrash: ## kill processes that take in mail, cut their connections, and look for lost and doubled mails; MAILCRASH='-store postgres -mails 500' selects
	go run ./internal/dbtests/cmd/mailcrash $(MAILCRASH)

.PHONY: timers
timers: ## kill processes that fire timers, on fast clocks, and check every threshold, snooze and timed action; TIMERS='-store postgres -for 20s' selects
	go run ./internal/dbtests/cmd/timers $(TIMERS)

.PHONY: retention
retention: ## run Retain on 100,000 tickets beside writers, kill it, and look for losses; RETENTION='-store postgres -tickets 2000' selects
	go run ./internal/dbtests/cmd/retention $(RETENTION)

.PHONY: growth
growth: ## let a desk grow for ten years, with and without retention, and weigh it; GROWTH='-store postgres -years 2' selects
	go run ./internal/dbtests/cmd/growth $(GROWTH)

.PHONY: cluster
cluster: ## kill, stop and cut off nodes of a Galera cluster, and look for losses and for deliveries held by two; CLUSTER='-for 20s' selects
	@.ci/galera "$(BIN)"
	go run ./internal/dbtests/cmd/cluster $(CLUSTER)

.PHONY: failover
failover: ## kill the primary of a PostgreSQL with a synchronous standby, and look for losses; FAILOVER='-for 20s -driver postgres' selects
	go run ./internal/dbtests/cmd/failover $(FAILOVER)

.PHONY: contend
contend: ## 64 callers in 4 processes act on one ticket, on every store
	cd internal/dbtests && go test -count=1 -run '^TestContention$$' -v . -contend.actions 50

.PHONY: scale
scale: ## a million tickets in SQLite and PostgreSQL; SCALE='-store mariadb' or '-store sqlite -tickets 20000' selects
	go run ./internal/dbtests/cmd/scale $(SCALE)

# The sets in testdata, and those of a folder of real reports beside the checkout, if there is
# one.
RECALL ?= internal/dbtests/cmd/recall/testdata $(wildcard ../shared/data/duplicates)

.PHONY: listeners
listeners: ## ten thousand streams of events, and what they cost; LISTENERS='-n 1000' selects
	go run ./internal/dbtests/cmd/listeners $(LISTENERS)

.PHONY: recall
recall: ## how often a duplicate report is suggested; RECALL='folder folder' selects the sets
	go run ./internal/dbtests/cmd/recall -recorded internal/dbtests/cmd/recall/recorded.csv $(RECALL)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	@FUZZTIME='$(FUZZTIME)' .ci/fuzz $(MODULES)

.PHONY: bench-brief
bench-brief: ## check that every benchmark and every bench command still runs
	@.ci/bench $(MODULES)

.PHONY: cross
cross: ## compile for other systems, and test on 386
	@.ci/cross $(MODULES)

# A program with //go:build ignore is not listed, and so does not run. A line
# "//make:examples -flag" in main.go names the arguments of a program.
.PHONY: examples
examples: ## run every example program
	@set -e; cd examples; \
	programs=$$(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./...); \
	[ -n "$$programs" ] || { echo "no example programs found"; exit 1; }; \
	for p in $$programs; do \
		args=$$(sed -n 's|^//make:examples ||p' "$$(go list -f '{{.Dir}}' "$$p")/main.go"); \
		echo "-- $$p $$args"; go run "$$p" $$args </dev/null; \
	done

# This runs without the workspace, because a user gets the module alone.
.PHONY: tidy-check
tidy-check: ## fail if a go.mod or go.sum is not tidy
	$(call each,GOWORK=off go mod tidy -diff)

.PHONY: vuln
vuln: govulncheck ## look for known vulnerabilities in the code that is called
	@.ci/vuln $(MODULES)

# These are never up to date: the installed version is checked each time.
.PHONY: golangci-lint govulncheck
golangci-lint:
	$(call tool,$(GOLANGCI),$(GOLANGCI_VERSION))
govulncheck:
	$(call tool,$(GOVULNCHECK),$(GOVULNCHECK_VERSION))
