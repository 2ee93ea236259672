//! The device over Zephyr: what the core asks of a platform, done with Zephyr's sockets, settings, GPIO
//! and shell. A library: [`run`] runs an application.
//!
//! ```text
//! #[unsafe(no_mangle)]
//! extern "C" fn rust_main() {
//!     azure_device_zephyr::run(&MyApplication::default());
//! }
//! ```
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

#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
mod c_api;
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
#[cfg(CONFIG_AZURE_OUTLET)]
mod outlet;
mod platform;
#[cfg(CONFIG_AZURE_DPS)]
mod provisioning;
#[cfg(CONFIG_AZURE_QUEUE)]
mod queue;
mod requests;
mod sensor;
#[cfg(CONFIG_AZURE_SHELL)]
mod shell;
mod status;
mod storage;
mod tls_failure;
#[cfg(CONFIG_AZURE_UPDATE)]
mod update;

/// The core: what an application is written with.
pub use azure_device;
use azure_device::application::Application;
#[cfg(CONFIG_AZURE_OUTLET)]
pub use outlet::Outlet;

/// Runs the device with this application, in the calling thread: Zephyr's main thread, or another one with a stack of
/// `CONFIG_AZURE_STACK_SIZE` bytes. A clone of the application begins each life of the device: after each change of its
/// provisioning too.
///
/// Comes back only if a part of the image is missing, which is said on the console, or when it is called again.
pub fn run<A: Application + Clone>(application: &A) {
    main_loop::start(application);
}
