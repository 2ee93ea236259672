//! The Inventek ISM43362 (eS-WiFi) Wi-Fi module: its commands, its sockets, and how it is kept connected.
//!
//! The module speaks IP, TCP, UDP, DHCP and DNS itself. A microcontroller writes text commands to it and reads the
//! answers. [`Station`] owns the module. It starts it, joins the network, watches the link, reads the sockets, and
//! recovers the module by its reset pin. It decides and does no I/O: bytes and pins are behind [`Bus`], and the time
//! goes in as milliseconds.
//!
//! Theory of operation, lowest layer first:
//!
//! - [`Bus`] carries one command to the module and brings one answer back, within a time. Nothing waits for ever.
//! - `answer` tells data, refusal and garbage apart.
//! - `module` is one function for each thing that the module can do. An answer that does not belong to its command is
//!   noticed, and the two are brought into step again ([`Error::Garbled`]). A module that stays silent is given up
//!   ([`Error::Silent`]).
//! - [`Station`] is the state machine over it. A module that was given up is reset. Its sockets are broken at once, so
//!   that their users connect again.
//!
//! The memory is the caller's ([`Buffers`]). A socket has one buffer of the largest answer ([`PAYLOAD`]). The module is asked for more only when the buffer is
//! empty, so nothing is dropped: the module's own TCP window holds the sender back.
//!
//! Limits: IPv4; one network at a time; client sockets; no scan, no access point.
//!
//! Sources: the command names and their order are those that ST's `es_wifi` component and Zephyr's `eswifi` driver
//! send. The real module's answer to a read from a connection that has ended is not documented; `-1`, an error, and
//! nothing are all understood.

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
extern crate std;

mod answer;
mod command;
mod module;
#[cfg(test)]
mod module_tests;
mod network;
mod socket;
mod station;
#[cfg(test)]
mod station_tests;
#[cfg(test)]
mod virtual_module;

pub use network::{Network, NetworkError};
pub use socket::{Kind, Received};
pub use station::{Buffers, Event, JoinFailure, Loss, Station};

/// The most that the module reads or writes in one command, in bytes.
pub const PAYLOAD: usize = 1460;

/// Number of the module's sockets.
pub const SOCKETS: usize = 4;

/// An IPv4 address, first byte first.
pub type Address = [u8; 4];

/// Bytes and pins between the microcontroller and the module.
pub trait Bus {
    /// Pulls the reset pin for as long as the module needs to notice, lets go, and forgets what was received.
    fn reset(&mut self);

    /// Writes `command` and `payload` as one command, and reads the answer into `answer`.
    ///
    /// An empty command only reads what the module says by itself. The answer is complete when the module says so
    /// (SPI: the data-ready line falls; UART: the prompt and then silence). What exceeds `answer` is read and dropped.
    ///
    /// # Errors
    /// [`BusError::Silent`] after `timeout_ms` milliseconds without a complete answer, and [`BusError::Failed`] if the
    /// bus itself does not work.
    fn exchange(
        &mut self,
        command: &[u8],
        payload: &[u8],
        answer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, BusError>;
}

/// The reason for which a [`Bus`] brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusError {
    /// No complete answer within the time.
    Silent,
    /// The bus does not work.
    Failed,
}

/// The reason for which the module did not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The module does not answer, or its answers cannot be brought into step with its commands: it has to be reset.
    Silent,
    /// The answer did not belong to the command. Both are in step again; the command counts as not done.
    Garbled,
    /// The module refused the command.
    Refused,
    /// The connection has ended.
    Ended,
    /// The module is not in a network.
    NoNetwork,
    /// All sockets are in use.
    NoSocket,
    /// The module's command cannot carry this argument.
    Argument,
}
