# Targets for developers and CI. Each installs missing tools (see .ci/tools.sh) and prints its steps.
.PHONY: help test test-quick clients callers chaos chaos-teeth interleavings rolling deploy-check alerts-check lint api-baseline release bench bench-replicated \
	bench-overload bench-entries bench-hostile bench-extraction bench-search bench-stories train-extraction train-dumps demo docs-check fuzz

# Folder of pinned tools of .ci/tools.sh: outside target, so that they are downloaded once per machine.
COPYDESK_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/copydesk-tools
export COPYDESK_TOOLS
# Go and Node.js, if the installed ones are too old.
export PATH := $(COPYDESK_TOOLS)/path:$(PATH)
BUF = $(COPYDESK_TOOLS)/bin/buf
DENY = $(COPYDESK_TOOLS)/bin/cargo-deny

# Baseline of API compatibility: the descriptors of the last release. In the repository, so that a clone without history and
# tags can check it as well.
BASELINE = .ci/api-baseline.binpb

# The clients in clients/, one folder each.
LANGUAGES ?= python typescript go java cpp rust

help:
	@echo 'make test    run all tests: unit tests, and the service over a real port'
	@echo 'make test-quick   run unit tests, the conformance suite on SQLite, documents and methods: under a minute once built'
	@echo 'make client-python   (or -typescript, -go, -java, -cpp, -rust) build that client, and run its scenario against its own server'
	@echo 'make clients build all clients (or LANGUAGES="go …"), and run them on one server and on three replicas (docs/clients.md)'
	@echo 'make callers test generic clients: grpcurl, buf curl, curl through Envoy, a page in Chromium'
	@echo 'make chaos   run three servers, PostgreSQL and Redis under faults for DURATION=60s; SEED=… replays them (docs/faults.md)'
	@echo 'make chaos-teeth    check that the fault test detects each faulty variant of the cache (about 10 minutes)'
	@echo 'make interleavings   send 10,000 (HISTORIES=…) random interleavings of versions, keys and kills to three replicas, against a model (SEED=…)'
	@echo 'make rolling restart, kill and freeze three replicas under load, behind BALANCERS="haproxy nginx client", DURATION=30s each (docs/operations.md)'
	@echo 'make deploy-check   check deploy/ and .devcontainer/: image, compose, chart, manifests, unit, load balancers (RENDER=1 writes the manifests)'
	@echo 'make alerts-check   check the alert rules with their unit tests, and the dashboard (promtool)'
	@echo 'make docs-check   run the commands of README.md and docs/quickstart.md as written, and compare their output'
	@echo 'make lint    check format, clippy, the API (buf: needs npm or go), licences of dependencies, writing rules'
	@echo 'make api-baseline   at a release: make the current API the baseline of compatibility'
	@echo 'make release   build the archive, the Debian package, the bill of materials and the checksums of a release'
	@echo 'make bench   compare the service with a bare tonic server (about 5 minutes; ARGS="--help" for more)'
	@echo 'make bench-replicated   on PostgreSQL and Redis, compare it with a hand-written cache-aside service (about 10 minutes)'
	@echo 'make bench-overload     measure it at five times its capacity (about 2 minutes)'
	@echo 'make bench-entries      measure compression of entries in Redis'
	@echo 'make bench-hostile      measure CPU time and memory of documents that are made to be expensive (about 5 minutes)'
	@echo 'make fuzz    fuzz extraction for DURATION=600 seconds a target (TARGETS="html …"); needs a C++ compiler'
	@echo 'make bench-search   rank a judged set beside FTS5 and PostgreSQL, and measure an index of ARTICLES=100000 made articles (about 5 minutes)'
	@echo 'make bench-stories  group the reports of judged events, and made articles of a day (about 2 minutes)'
	@echo 'make bench-extraction CORPUS=…   score extraction on labelled pages: body, title, date, authors, pages per second (docs/extraction.md)'
	@echo 'make train-extraction CORPUS=…   train the model that judges the blocks of a page, cross-validated by site'
	@echo 'make train-dumps CORPUS=…        train the model that judges the lines of a text dump, cross-validated by site'
	@echo 'make demo    run a server with sample news, until Ctrl-C'

test:
	@.ci/tools.sh test
	cargo test --locked --workspace

# The daily loop: tests that need neither PostgreSQL nor Redis.
test-quick:
	cargo test --locked --workspace --lib
	cargo test --locked --test it -- sqlite service:: documents:: corpus:: rooms:: cycles::

client-%:
	@.ci/tools.sh clients $*
	$(MAKE) --no-print-directory -C clients/$* build BUF=$(BUF)
	clients/with-server.sh $(MAKE) -s --no-print-directory -C clients/$* run

clients:
	@.ci/tools.sh test
	@.ci/tools.sh clients $(LANGUAGES)
	@set -e; for language in $(LANGUAGES); do $(MAKE) --no-print-directory -C clients/$$language build BUF=$(BUF); done
	LANGUAGES="$(LANGUAGES)" cargo test --locked --test clients

docs-check: callers
	cargo test --locked --test it -- documented_commands

callers:
	@.ci/tools.sh callers
	$(MAKE) --no-print-directory -C clients/web build
	CALLERS="$(COPYDESK_TOOLS)/bin" cargo test --locked --test callers

chaos:
	@.ci/tools.sh test
	DURATION=$(or $(DURATION),60s) cargo test --release --locked --test chaos

chaos-teeth:
	@.ci/tools.sh test
	tests/chaos/teeth.sh $(VARIANTS)

interleavings:
	@.ci/tools.sh test
	HISTORIES=$(or $(HISTORIES),10000) cargo test --locked --test it interleavings:: -- --nocapture

rolling:
	@.ci/tools.sh rolling
	$(MAKE) --no-print-directory -C clients/go build BUF=$(BUF)
	cd clients/go && go build -o bin/ ./rolling
	DURATION=$(or $(DURATION),30s) BALANCERS="$(or $(BALANCERS),haproxy nginx client)" cargo test --profile $(or $(PROFILE),release) --locked --test rolling

deploy-check:
	@.ci/tools.sh deploy
	# Not as `make test` builds it, which leaves no list of the sources (copydesk.d).
	cargo build --locked --quiet
	@deploy/check.sh

alerts-check:
	@.ci/tools.sh alerts
	@deploy/prometheus/check.sh

lint:
	@.ci/tools.sh lint
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BUF) lint
	$(BUF) format --diff --exit-code --exclude-path proto/google
	$(BUF) breaking --against $(BASELINE)
	$(DENY) --log-level error check licenses bans sources
	@.ci/text.sh

release:
	@.ci/tools.sh build
	.ci/release.sh

api-baseline:
	@.ci/tools.sh lint
	$(BUF) build --exclude-source-info -o $(BASELINE)

bench:
	cargo bench --locked --bench service -- $(ARGS)

bench-replicated:
	@.ci/tools.sh test
	cargo bench --locked --bench service -- --replicated $(or $(PART),all) $(ARGS)

bench-overload:
	cargo bench --locked --bench service -- --overload $(ARGS)

bench-entries:
	@.ci/tools.sh test
	cargo bench --locked --bench service -- --entries

bench-hostile:
	cargo bench --locked --bench service -- --hostile $(ARGS)

bench-search:
	@.ci/tools.sh test
	cargo bench --locked --profile release --bench search -- quality
	cargo bench --locked --profile release --bench search -- related
	cargo bench --locked --profile release --bench search -- speed --articles $(or $(ARTICLES),100000)

bench-stories:
	cargo bench --locked --profile release --bench stories -- quality
	cargo bench --locked --profile release --bench stories -- cost

bench-extraction:
	cargo bench --locked --profile release --bench extraction -- score $(CORPUS)
	benches/extraction/others.py $(CORPUS)

# Python packages: lightgbm, numpy, scikit-learn.
train-extraction:
	@mkdir -p target/extraction
	@set -e; for set in $(notdir $(patsubst %/truth.json,%,$(wildcard $(CORPUS)/*/truth.json))); do \
		cargo bench --locked --profile release --quiet --bench extraction -- blocks $(CORPUS)/$$set/html >target/extraction/$$set.jsonl; done
	python3 benches/extraction/train.py --weights src/extract/body/weights.txt \
		$(foreach set,$(notdir $(patsubst %/truth.json,%,$(wildcard $(CORPUS)/*/truth.json))),target/extraction/$(set).jsonl:$(CORPUS)/$(set)/truth.json)

# Python packages: html_text, inscriptis, lightgbm, lxml, numpy.
train-dumps:
	@rm -rf target/extraction/dumps && mkdir -p target/extraction/dumps
	python3 benches/extraction/train_dumps.py layouts $(CORPUS) target/extraction/dumps
	@set -e; for set in $(notdir $(patsubst %/truth.json,%,$(wildcard $(CORPUS)/*/truth.json))); do \
		cargo bench --locked --profile release --quiet --bench extraction -- lines target/extraction/dumps/$$set \
			>target/extraction/dumps/$$set.jsonl; done
	python3 benches/extraction/train_dumps.py train --weights src/extract/formats/text/weights.txt \
		$(foreach set,$(notdir $(patsubst %/truth.json,%,$(wildcard $(CORPUS)/*/truth.json))),target/extraction/dumps/$(set).jsonl:$(CORPUS)/$(set)/truth.json)

demo:
	env -u COPYDESK_TOOLS cargo run --locked --release -- demo

# Targets of fuzz/, and seconds for each. New inputs stay out of the repository, unless they are findings.
TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))
# Counters of coverage, by which libFuzzer finds inputs: what `cargo fuzz` sets on nightly Rust, without the sanitizer.
COVERAGE = --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
fuzz:
	RUSTFLAGS="$(COVERAGE)" cargo build --release --manifest-path fuzz/Cargo.toml --target $(HOST)
	@set -e; for target in $(TARGETS); do mkdir -p fuzz/target/corpus/$$target; \
		fuzz/target/$(HOST)/release/$$target fuzz/target/corpus/$$target fuzz/corpus/$$target \
			-max_total_time=$(or $(DURATION),600) -max_len=65536 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1; done
