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
echo "lock files: no published crate called zephyr"
