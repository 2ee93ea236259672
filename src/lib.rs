//! The device: an Azure IoT Hub application core that runs unchanged under Zephyr and on the host.
//!
//! Everything here decides; nothing here does I/O, reads a clock or owns a socket. Bytes, events and the
//! time go in, bytes, events and the next deadline come out, so that hours of a device's life are tested
//! in milliseconds. What touches the world is behind the traits of [`port`].

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod identity;
pub mod mqtt;
pub mod percent;
pub mod port;
pub mod properties;
pub mod sas;
pub mod secret;
pub mod text;
pub mod time;
pub mod topic;
