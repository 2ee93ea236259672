//! The ready-made application over Zephyr.

#![no_std]

use azure_device_app::App;

/// Zephyr's main thread comes here.
// SAFETY: the name is the one that zephyr-lang-rust's main() calls, and nothing else has it.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    azure_device_zephyr::run(&App::default());
}
