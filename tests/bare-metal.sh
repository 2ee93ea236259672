#!/usr/bin/env bash
# Proves that the core, with each of its features, its codec and the Wi-Fi driver need neither std nor an operating
# system: compiles them for a Cortex-M4F, and for two processors without compare-and-swap, a Cortex-M0 and a RISC-V
# without the A extension. tests/bare-metal.sh TARGET... compiles for these only.
#
# With rustup, `rustup target add` is enough. Where a target is missing, Debian's rustc-web and rust-web-src, of one
# version, build core and alloc for it.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(thumbv7em-none-eabi thumbv6m-none-eabi riscv32imc-unknown-none-elf)
# What a product with one core promises to portable-atomic: no other core changes memory meanwhile.
export CARGO_TARGET_THUMBV6M_NONE_EABI_RUSTFLAGS="--cfg portable_atomic_unsafe_assume_single_core"
export CARGO_TARGET_RISCV32IMC_UNKNOWN_NONE_ELF_RUSTFLAGS="--cfg portable_atomic_unsafe_assume_single_core"

for target in "${targets[@]}"; do
    build=(build --locked --lib -p azure-device -p ism43362 -p mqttbytes-nostd --all-features --target "$target"
        --target-dir target/bare-metal)
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
done
