#!/usr/bin/env bash
# The published crate that is called `zephyr` is not Zephyr's: no lock file may name it as a published crate.
set -euo pipefail
cd "$(dirname "$0")/.."

if grep -qx 'name = "zephyr"' Cargo.lock; then
    echo "Cargo.lock: the root workspace must not depend on a crate called zephyr" >&2
    exit 1
fi
if [ -f firmware/Cargo.lock ] && grep -A2 -x 'name = "zephyr"' firmware/Cargo.lock | grep -q '^source'; then
    echo "firmware/Cargo.lock: zephyr must come from the Zephyr workspace, not from a registry" >&2
    exit 1
fi
echo "lock files: no published crate called zephyr"
