#!/usr/bin/env bash
# The published crate that is called `zephyr` is not Zephyr's: no lock file may name it as a published crate.
set -euo pipefail
cd "$(dirname "$0")/.."

if grep -qx 'name = "zephyr"' Cargo.lock; then
    echo "Cargo.lock: the root workspace must not depend on a crate called zephyr" >&2
    exit 1
fi
# Those that west builds have Zephyr's crate by a path.
for lock in firmware/Cargo.lock examples/*/Cargo.lock; do
    if [ ! -f "$lock" ]; then
        echo "$lock is missing" >&2
        exit 1
    fi
    if grep -A2 -x 'name = "zephyr"' "$lock" | grep -q '^source'; then
        echo "$lock: zephyr must come from the Zephyr workspace, not from a registry" >&2
        exit 1
    fi
done
# What npm writes beside each package is where it came from on the machine that made the file.
lock=tests/interop/node/package-lock.json
if grep -nE '"resolved"|"funding"|https?://' "$lock"; then
    echo "$lock names hosts; make it by npm install --package-lock-only --omit-lockfile-registry-resolved, and" >&2
    echo "remove each member \"funding\"" >&2
    exit 1
fi
echo "lock files: no published crate called zephyr, no host in that of npm"
