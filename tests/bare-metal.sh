#!/usr/bin/env bash
# Proves that the core, its codec and the Wi-Fi driver need neither std nor an operating system: compiles them for a Cortex-M4F.
#
# With rustup, `rustup target add thumbv7em-none-eabi` is enough. Without that target, Debian's rustc-web and
# rust-web-src, of one version, build core and alloc for it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=thumbv7em-none-eabi
build=(build --locked --lib -p azure-device -p ism43362 -p mqttbytes-nostd --target "$target" --target-dir target/bare-metal)

if [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    cargo "${build[@]}"
elif [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src/rust/library ]; then
    # Two things that only a nightly Cargo does by itself: building core, and letting a stable rustc do so.
    env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=core,alloc \
        cargo "${build[@]}"
else
    echo "Neither rustup's target $target nor Debian's rustc-web with rust-web-src is installed: install one." >&2
    exit 1
fi
echo "bare metal: azure-device, ism43362 and mqttbytes-nostd compile for $target"
