//! Entry points for C: each hands its call to safe code.
//!
//! Their declarations are in the shim's headers, to which firmware/build.rs holds them: an entry point that is missing,
//! or has other types than its declaration, does not compile. They are `unsafe` because bindgen declares them so.

#![allow(unsafe_code)]

#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
mod c_api;
#[cfg(CONFIG_AZURE_ISM43362)]
mod ism43362;

#[cfg(CONFIG_AZURE_SHELL)]
use core::ffi::{CStr, c_char};

use crate::ffi::c;
#[cfg(CONFIG_AZURE_SHELL)]
use crate::ffi::{RawShell, Shell};

include!(concat!(env!("OUT_DIR"), "/azure_shim_exports.rs"));

// SAFETY: the name is declared in azure_shim.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_button_pressed() {
    crate::requests::send_now();
}

// SAFETY: the name is declared in azure_shim.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_network_changed() {
    crate::requests::retry_now();
}

/// The download's thread has something to do.
// SAFETY: the name is declared in azure_shim.h, and nothing else has it.
#[cfg(CONFIG_AZURE_UPDATE)]
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_update_fetch() {
    crate::update::fetch_next();
}

/// A shell command.
///
/// # Safety
/// `shell` is valid during the call, and so are the `argc` pointers of `argv` to zero-terminated texts. Zephyr's shell sees to that.
// SAFETY: the name is declared in azure_shim.h, and nothing else has it.
#[cfg(CONFIG_AZURE_SHELL)]
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_command(
    shell: *const RawShell,
    set: bool,
    argc: u32,
    argv: *mut *mut c_char,
) -> i32 {
    let argument = |index: u32| {
        if index >= argc {
            return None;
        }
        // SAFETY: Zephyr's shell gives `argc` pointers to zero-terminated texts, valid for the command.
        let text = unsafe { CStr::from_ptr(*argv.add(index as usize)) };
        text.to_str().ok()
    };
    // SAFETY: Zephyr's shell gives itself, valid for the command.
    let shell = Shell(unsafe { &*shell });
    crate::shell::command(
        shell,
        set,
        argument(0).unwrap_or_default(),
        [argument(1), argument(2)],
    )
}

/// The device's thread, for an application in C.
// SAFETY: the name is declared in azure_shim.h, and nothing else has it.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_thread() {
    crate::run(&crate::c_api::CApplication);
}
