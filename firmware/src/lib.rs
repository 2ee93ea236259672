//! The device over Zephyr: what the core asks of a platform, done with Zephyr's sockets, settings, GPIO
//! and shell.
//!
//! ```text
//! start ─ banner, identity, network ─┬─ azure_device::device::run ─┐
//!                                    └── provisioned anew ◄────────┘
//! ```
//!
//! [`ffi`] holds all unsafe code: the C shim's functions (firmware/shim) as safe Rust, and the entry points
//! that C calls. Everything else is safe, and decides as little as it can: what can be decided without
//! Zephyr is in the core, where it is tested.

#![no_std]

extern crate alloc;

mod clock;
mod configuration;
mod connector;
mod credentials;
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
