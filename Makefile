# What a developer and CI run. Each target installs what it needs (see .ci/tools.sh) and says what it does.
.PHONY: help test lint bench demo

# Where .ci/tools.sh puts pinned tools: outside target, so that they are fetched once a machine.
COPYDESK_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/copydesk-tools
export COPYDESK_TOOLS
BUF = $(COPYDESK_TOOLS)/bin/buf
DENY = $(COPYDESK_TOOLS)/bin/cargo-deny

# What the API must stay compatible with: the last release; before the first, main as it was when this branch left it.
BASE = $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null)

help:
	@echo 'make test    everything that must hold: unit tests, and the service over a real port'
	@echo 'make lint    format, clippy, the API (buf: needs npm or go), licences of dependencies'
	@echo 'make bench   the service beside a bare tonic server (about 5 minutes; ARGS="--help" for more)'
	@echo 'make demo    a server with invented news in it, until Ctrl-C'

test:
	@.ci/tools.sh test
	cargo test --locked

lint:
	@.ci/tools.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	$(BUF) lint
	$(BUF) format --diff --exit-code --exclude-path proto/google
ifneq ($(BASE),)
	$(BUF) breaking proto --against '.git#ref=$(BASE),subdir=proto'
else
	@echo '== no release and no main to compare the API with: buf breaking is left out'
endif
	$(DENY) --log-level error check licenses bans sources

bench:
	cargo bench --locked --bench service -- $(ARGS)

demo:
	cargo run --locked --release -- demo
