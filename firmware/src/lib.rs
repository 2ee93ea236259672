//! The device over Zephyr: what the core asks of a platform, done with Zephyr's sockets, settings, GPIO
//! and shell.
//!
//! ```text
//! start ─ banner, identity, network ─┬─ azure_device::lifecycle::run ─┐
//!                                    └──── provisioned again ◄───────┘
//! ```
//!
//! Layers, top first:
//!
//! - [`entry`]: the functions that C calls.
//! - Everything else: safe code that decides as little as it can. Decisions that do not need Zephyr are in the core,
//!   where they are tested.
//! - [`ffi`]: the C shim's functions (firmware/shim) as safe Rust.
//!
//! All unsafe code is in [`entry`] and [`ffi`].

#![no_std]

extern crate alloc;

mod clock;
mod configuration;
mod connector;
mod credentials;
mod entry;
mod ffi;
mod indicator;
#[cfg(CONFIG_AZURE_ISM43362)]
mod ism43362;
/// Kconfig's values, by firmware/build.rs.
#[allow(unreachable_pub)] // Generated.
mod kconfig {
    include!(concat!(env!("OUT_DIR"), "/kconfig.rs"));
}
mod logger;
mod main_loop;
mod mutex;
mod platform;
#[cfg(CONFIG_AZURE_DPS)]
mod provisioning;
mod requests;
mod sensor;
#[cfg(CONFIG_AZURE_SHELL)]
mod shell;
mod status;
mod storage;
mod tls_failure;
