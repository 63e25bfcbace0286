#!/usr/bin/env bash
# Runs the two commands of README.md in a bare Debian root, which has only the packages that README.md names: as on a
# new machine. Run by hand, as root, with debootstrap installed; takes 30 to 60 minutes and 8 GB.
#
#   .ci/bare-root.sh                                 everything; the root is removed at the end
#   PARTS="root packages" ROOT=… .ci/bare-root.sh    some parts of: root packages demo test; the root is kept
#
# The committed state of this repository is cloned. Rust is that of this machine, mounted read-only; the certificates,
# proxies and settings with which cargo and apt-get reach their registries are copied.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${ROOT:-${TMPDIR:-/tmp}/copydesk-bare-root}
home=/home/newcomer
sysroot=$(rustc --print sysroot)
# Certificates of this machine, in the root: a package may replace those in /etc/ssl.
certificates=/opt/certificates.crt
cargo_settings=${CARGO_HOME:-$HOME/.cargo}/config.toml

say() { printf '== %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "must run as root"
command -v debootstrap >/dev/null || fail "debootstrap not found: apt-get install debootstrap"

# Runs a command in the root, in the clone. Its mounts and processes end with it.
enter() {
    local variable pass=(HOME="$home" PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb)
    for variable in $(compgen -e | grep -E '^CARGO_(HTTP|NET|REGISTR|SOURCE)|_(proxy|PROXY)$'); do
        pass+=("$variable=${!variable}")
    done
    pass+=(CARGO_HTTP_CAINFO="$certificates")
    # shellcheck disable=SC2016 # the inner shell expands them
    unshare --mount --pid --fork --kill-child sh -ec '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        mount --bind -o ro "$1" "$0/opt/rust"
        shift
        exec chroot "$0" /usr/bin/env -i --chdir=/ "$@"
    ' "$root" "$sysroot" "${pass[@]}" sh -ec "cd $home/copydesk && $1"
}

part_root() {
    local mirror
    # shellcheck source=/dev/null
    . /etc/os-release
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$VERSION_CODENAME //p" | head -n 1)
    [ -n "$mirror" ] || fail "apt-get has no source for $VERSION_CODENAME: run apt-get update"
    [ ! -e "$root" ] || fail "$root exists: remove it, or name another with ROOT"
    debootstrap --variant=minbase "$VERSION_CODENAME" "$root" "$mirror" >/dev/null
    apt-config dump | grep -i '^Acquire::.*proxy' >"$root/etc/apt/apt.conf.d/proxy" || true
    mkdir -p "$root/opt/rust" "$root$home/.cargo"
    cp /etc/hosts "$root/etc/hosts"
    cp "${CARGO_HTTP_CAINFO:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}" "$root$certificates"
    [ ! -e "$cargo_settings" ] || cp "$cargo_settings" "$root$home/.cargo/"
    git clone --quiet . "$root$home/copydesk"
}

part_packages() {
    local packages
    packages=$(tr '\n' ' ' <README.md | grep -o 'sudo apt-get install [a-z0-9 -]*' | head -n 1 | cut -d ' ' -f 4-)
    [ -n "$packages" ] || fail "README.md names no packages"
    say "apt-get install $packages"
    enter "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages >/dev/null"
}

# The command as README.md has it, but not for ever.
part_demo() { enter "$(grep -m 1 -x 'cargo run --release -- demo' README.md) --once"; }

part_test() { enter "$(grep -m 1 -x 'make test' README.md)"; }

for part in ${PARTS:-root packages demo test}; do
    say "$part, in $root"
    SECONDS=0
    "part_$part"
    say "$part: $SECONDS s"
done
[ -n "${PARTS:-}" ] || rm -rf --one-file-system "$root"
