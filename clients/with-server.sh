#!/usr/bin/env bash
# Starts a server on a free port with an empty folder, and runs a command with its address in COPYDESK_ADDRESSES.
#
#   clients/with-server.sh make -s -C clients/python run
set -euo pipefail

clients=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$clients")
folder=$(mktemp -d)
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

# The server must not use the caller's settings.
unset "${!COPYDESK_@}"
cargo build --manifest-path "$root/Cargo.toml" --locked --release --quiet
mkfifo "$folder/said"
"${CARGO_TARGET_DIR:-$root/target}/release/copydesk" serve --listen 127.0.0.1:0 --http-listen off --data-dir "$folder/data" \
    >"$folder/said" 2>"$folder/log" </dev/null &
server=$!
# The server prints its address when it listens; if it fails to start, the pipe is closed.
if ! read -r line <"$folder/said" || [ "${line#listening on }" = "$line" ]; then
    cat "$folder/log" >&2
    exit 1
fi
export COPYDESK_ADDRESSES=${line#listening on } COPYDESK_CLIENTS=$clients
"$@"
