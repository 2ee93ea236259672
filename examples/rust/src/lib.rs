//! The cold store's image: its application over Zephyr, and its door contact.

#![no_std]

use cold_store::ColdStore;

/// Zephyr's main thread comes here.
// SAFETY: the name is the one that zephyr-lang-rust's main() calls, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    azure_device_zephyr::run(&ColdStore::new(door_is_open));
}

fn door_is_open() -> bool {
    unsafe extern "C" {
        /// src/door.c
        fn cold_store_door_is_open() -> bool;
    }
    // SAFETY: it takes nothing, reads a pin, and may be called from any thread.
    unsafe { cold_store_door_is_open() }
}
