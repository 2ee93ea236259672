//! The device's platform on a computer: std, rustls and mio under the traits of
//! [`azure_device::port`].
//!
//! # Theory of operation
//!
//! One thread runs one device: it owns a [`HostPlatform`] and gives it to the device loop. The thread sleeps
//! in one place, the poller, which sockets and the other threads' [`Remote`] wake. Nothing polls by time.
//!
//! ```text
//! runner     a device on a thread              access    its hub, or who knows it
//! platform   all ports together, and the remote control that other threads hold
//! connector  addresses, TCP, the handshake      stream    an open connection
//! tls        verification, credentials, and the names of what can go wrong
//! update     images in files, a boot loader over them, and downloads
//! poller     sleeping                           queue     messages in a file
//! clock, storage, indicator, line, text_file
//! ```
//!
//! # Limits
//!
//! A name is resolved on a helper thread, since no portable interface can interrupt that: the device stops
//! waiting for it in time, the thread ends when the resolver gives up. Asking an SNTP server blocks for up to
//! twelve seconds, which a stop does not shorten.

#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod access;
pub mod clock;
pub mod connector;
pub mod error;
pub mod indicator;
pub mod line;
pub mod outlet;
pub mod platform;
mod poller;
pub mod queue;
pub mod roots;
pub mod runner;
pub mod storage;
pub mod stream;
pub mod text_file;
pub mod tls;
pub mod update;

pub use error::SetupError;
pub use platform::{HostPlatform, Options, Remote};
