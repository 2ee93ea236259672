//! What a device can tell of itself.

use crate::failure::Failure;
use crate::port::Condition;

/// Counters since the start. They stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Whether a hub has accepted the connection that is open now.
    pub joined: bool,
    /// Connections that a hub accepted.
    pub connections: u32,
    /// Of these, how many were planned, to renew the SAS token.
    pub renewals: u32,
    /// Failed attempts and broken connections.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<Failure>,
    /// Telemetry messages that entered the queue.
    pub telemetry_queued: u64,
    /// Telemetry messages that the hub has acknowledged.
    pub telemetry_acknowledged: u64,
    /// Telemetry messages that could not enter the queue.
    pub telemetry_refused: u64,
    /// Cloud-to-device messages that the application took.
    pub messages_taken: u64,
    /// How the platform was at the last connect.
    pub condition: Condition,
    /// Messages from the hub that made no sense or did not fit, and were passed over.
    pub messages_ignored: u64,
}
