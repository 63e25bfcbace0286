#!/usr/bin/env bash
# Builds the files of a release into target/release-files: `make release`.
#
#   copydesk-VERSION-TARGET.tar.gz   the binary, shell completions, man pages, licences, deploy/ and docs/
#   copydesk_VERSION_ARCH.deb        the same for Debian and Ubuntu, with the systemd unit (not enabled)
#   copydesk-VERSION.cdx.json        software bill of materials (CycloneDX)
#   SHA256SUMS                       checksums of these files
set -euo pipefail
cd "$(dirname "$0")/.."

CYCLONEDX_VERSION=0.5.9
tools=${COPYDESK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/copydesk-tools}
target=${CARGO_TARGET_DIR:-target}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
triple=$(rustc -vV | sed -n 's/^host: //p')
out=$target/release-files
# PROFILE=release builds sooner, to try the files.
profile=${PROFILE:-dist}
# Files are the same on each build of a commit, whatever the umask and the time.
umask 022
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

say() { printf '== %s\n' "$*"; }

say "building copydesk $version for $triple"
cargo build --profile "$profile" --locked
binary=$target/$profile/copydesk
rm -rf "$out"
mkdir -p "$out"

# Everything that both packages install, as it lies under /usr.
tree=$out/tree
install -D -m 755 "$binary" "$tree/bin/copydesk"
strip --strip-unneeded "$tree/bin/copydesk"
for shell in bash:share/bash-completion/completions/copydesk zsh:share/zsh/vendor-completions/_copydesk \
    fish:share/fish/vendor_completions.d/copydesk.fish; do
    mkdir -p "$(dirname "$tree/${shell#*:}")"
    "$binary" completions "${shell%%:*}" >"$tree/${shell#*:}"
done
mkdir -p "$tree/share/man/man1"
"$binary" man --dir "$tree/share/man/man1"
gzip -9n "$tree"/share/man/man1/*
mkdir -p "$tree/share/doc/copydesk"
cp -r README.md CHANGELOG.md LICENSE-* NOTICE docs deploy "$tree/share/doc/copydesk/"

say "archive"
name=copydesk-$version-$triple
cp -r "$tree" "$out/$name"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$out" -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"

say "Debian package"
package=$out/package
mkdir -p "$package/DEBIAN" "$package/usr" "$package/lib/systemd/system"
cp -r "$tree/." "$package/usr/"
sed 's#/usr/local/bin/#/usr/bin/#; s#/usr/local/share/#/usr/share/#' deploy/systemd/copydesk.service \
    >"$package/lib/systemd/system/copydesk.service"
install -D -m 600 deploy/systemd/copydesk.env "$package/etc/copydesk/copydesk.env"
echo /etc/copydesk/copydesk.env >"$package/DEBIAN/conffiles"
cat >"$package/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
# Makes systemd read the unit. A running server is not restarted.
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
SCRIPT
cat >"$package/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
[ "$1" != remove ] || [ ! -d /run/systemd/system ] || systemctl disable --now copydesk.service || true
SCRIPT
cp "$package/DEBIAN/postinst" "$package/DEBIAN/postrm"
chmod 755 "$package"/DEBIAN/p*
# The oldest C library that has every symbol that the binary imports.
libc=$(objdump -T "$package/usr/bin/copydesk" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
arch=$(dpkg --print-architecture)
cat >"$package/DEBIAN/control" <<EOF
Package: copydesk
Version: $version
Architecture: $arch
Maintainer: Copydesk maintainers <maintainers@copydesk.dev>
Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1
Recommends: ca-certificates
Section: net
Priority: optional
Installed-Size: $(du -sk "$package" | cut -f 1)
Description: gRPC content service for news
 Turns news pages, feeds and text dumps into clean articles, and serves them
 over gRPC with bounded staleness.
EOF
dpkg-deb --root-owner-group --build "$package" "$out/copydesk_${version}_$arch.deb" >/dev/null

say "software bill of materials"
cyclonedx=$tools/cyclonedx-$CYCLONEDX_VERSION
if [ ! -x "$cyclonedx/bin/cargo-cyclonedx" ]; then
    say "compiling cargo-cyclonedx $CYCLONEDX_VERSION into $tools (some minutes, once)"
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$cyclonedx" "cargo-cyclonedx@$CYCLONEDX_VERSION"
    rm -rf "$tools/build"
fi
# The tool writes beside each Cargo.toml of the workspace.
PATH=$cyclonedx/bin:$PATH cargo cyclonedx --format json --override-filename bom >/dev/null
mv bom.json "$out/copydesk-$version.cdx.json"
rm -f clients/rust/bom.json

rm -rf "$tree" "$package" "${out:?}/$name"
(cd "$out" && sha256sum -- copydesk* >SHA256SUMS && cat SHA256SUMS)
say "in $out"
