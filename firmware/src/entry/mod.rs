//! Entry points for C: each hands its call to safe code.

#![allow(unsafe_code)]

#[cfg(CONFIG_AZURE_ISM43362)]
mod ism43362;

#[cfg(CONFIG_AZURE_SHELL)]
use core::ffi::{CStr, c_char};

#[cfg(CONFIG_AZURE_SHELL)]
use crate::ffi::{RawShell, Shell};

/// Zephyr's main thread comes here.
// SAFETY: the name is the one that zephyr-lang-rust's main() calls, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    crate::main_loop::start();
}

// SAFETY: the name is declared in azure_shim.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_button_pressed() {
    crate::requests::send_now();
}

// SAFETY: the name is declared in azure_shim.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_network_changed() {
    crate::requests::retry_now();
}

/// A shell command.
///
/// # Safety
/// `argv` has `argc` pointers to zero-terminated texts, valid during the call. Zephyr's shell sees to that.
// SAFETY: the name is declared in azure_shim.h with this signature, and nothing else has it.
#[cfg(CONFIG_AZURE_SHELL)]
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_command(
    shell: &RawShell,
    set: bool,
    argc: u32,
    argv: *const *const c_char,
) -> i32 {
    let argument = |index: u32| {
        if index >= argc {
            return None;
        }
        // SAFETY: Zephyr's shell gives `argc` pointers to zero-terminated texts, valid for the command.
        let text = unsafe { CStr::from_ptr(*argv.add(index as usize)) };
        text.to_str().ok()
    };
    crate::shell::command(
        Shell(shell),
        set,
        argument(0).unwrap_or_default(),
        [argument(1), argument(2)],
    )
}
