# make bench   installs what is missing, builds, runs the quick suite: CSVs, charts, out/results/index.html
# make perf    the broker and the generator against the bare mechanisms: ratios, docs/performance.md says how to read them
#              and the instructions of the hot loops against benchmarks/instructions.csv (make instructions: only those)
# make compat  the clients' own test suites against the broker, and docs/compatibility.md from what came out
# make test    lint, build with warnings as errors, all tests, real clients, one experiment end to end
# make install PREFIX=/usr/local DESTDIR=    programs that need no Swift to run, man pages, completions, systemd unit, configuration
# make uninstall PREFIX=... DESTDIR=...      takes away what was installed, and nothing else
# make deb     a Debian package in .build/deb
SHELL := /bin/bash
RELEASE := .build/release
# One build for all tests and the programs that they start: optimised, with internal names for the tests and with the faults that they plant.
TESTED := .build/tests/release

# The programs as they are installed, with Swift's libraries inside.
PACKAGED := .build/package/release
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: install uninstall deb packaged packaging-test bench readme results perf instructions test build tested lint unit clients cluster brokers compat librdkafka smoke faults clean

bench: build
	@.ci/dependencies bench
	$(RELEASE)/millrace run --all --profile quick

# The README's table and picture, from the committed results.
readme: build
	$(RELEASE)/millrace report
	$(RELEASE)/millrace report --markdown --into README.md

# The committed results: the standard suite again, older results removed, and what shows them.
results: build
	@.ci/dependencies bench
	$(RELEASE)/millrace run --all
	$(RELEASE)/millrace prune
	@$(MAKE) --no-print-directory readme

perf: build
	@.ci/dependencies perf
	$(RELEASE)/millrace run --all --experiments benchmarks --results .build/perf/results --plots .build/perf/plots
	@echo "report: .build/perf/results/index.html"
	@$(MAKE) --no-print-directory instructions

instructions: build
	@.ci/dependencies perf
	benchmarks/instructions.py $(RELEASE)

# Without the checks at run time that no two hold the same variable: a fifth of a small request's instructions, most of them in NIO. The
# tests' build has them.
build:
	@.ci/dependencies build
	swift build -c release -Xswiftc -enforce-exclusivity=unchecked --product millrace
	swift build -c release -Xswiftc -enforce-exclusivity=unchecked --product millrace-broker
	swift build -c release -Xswiftc -enforce-exclusivity=unchecked --product millrace-load

packaged:
	@.ci/dependencies build
	for program in millrace millrace-broker millrace-load; do \
	  swift build --scratch-path .build/package -c release -Xswiftc -enforce-exclusivity=unchecked --static-swift-stdlib --product $$program || exit 1; \
	done

install: packaged
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install.sh install $(PACKAGED)

uninstall:
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) packaging/install.sh uninstall

deb: packaged
	@.ci/dependencies deb
	packaging/deb.sh $(PACKAGED) .build/deb

# Installs and removes in folders, the package in a Debian system of its own: not in `test`, for it downloads one.
packaging-test: packaged
	@.ci/dependencies deb
	Tests/packaging.sh $(PACKAGED)

# The clients run while the last of the end-to-end tests do.
test: lint tested
	Tests/unit.sh $(TESTED) Tests/Clients/all.sh $(TESTED)
	Tests/smoke.sh $(TESTED)

lint:
	@.ci/dependencies test
	swift format lint --strict --recursive Sources Tests Package.swift

tested:
	@.ci/dependencies build
	swift build --scratch-path .build/tests -c release --build-tests -Xswiftc -enable-testing -Xswiftc -DDEBUG

unit: tested
	Tests/unit.sh $(TESTED)

# Real clients against the broker (kcat, confluent-kafka, kafka-python, aiokafka), and those of their own suites that take seconds.
clients: tested
	Tests/Clients/all.sh $(TESTED)

# Real clients of a cluster of three brokers that are killed, paused, cut off, restarted and out of space, and five leaders killed under
# clients that record what they see: not in `test`, for it takes eight minutes.
cluster: tested
	@.ci/dependencies test
	Tests/Clients/cluster.sh $(TESTED)
	$(TESTED)/millrace cluster check --kills 5 --directory $$(mktemp -d)/kills

# Another broker beside ours, by its driver: one that comes from PyPI.
brokers: build
	Tests/Clients/versus.sh $(RELEASE)

# All of the clients' own suites: not in `test`, for librdkafka's builds some minutes and runs some more. Writes docs/compatibility.md.
compat: tested
	@.ci/dependencies compat
	Tests/Clients/compat.sh $(TESTED)/millrace-broker

librdkafka: tested
	@.ci/dependencies compat
	Tests/Clients/compat.sh --only librdkafka $(TESTED)/millrace-broker

# The harness itself, from definition to CSV, chart and report, on a small subset.
smoke: tested
	Tests/smoke.sh $(TESTED)

# kill -9 and SIGSTOP for ten minutes: not in `test`, which has a quarter of a minute of it.
faults: tested
	$(TESTED)/millrace faults

clean:
	rm -rf .build
