//! Report of a device about itself.

use super::Dropped;
use crate::failure::Failure;
use crate::mqtt;
use crate::port::{Condition, Status};

/// Counters since the start. They stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// True if a hub has accepted the connection that is open now.
    pub joined: bool,
    /// Connections that a hub accepted.
    pub connections: u32,
    /// Of these, how many were planned, to renew the SAS token or the certificate.
    pub renewals: u32,
    /// Failed attempts and broken connections.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<Failure>,
    /// Telemetry messages that fell due or were asked for: the sum of `telemetry_acknowledged`, `queued` and
    /// `dropped`.
    pub telemetry_due: u64,
    /// Telemetry messages that the hub has acknowledged.
    pub telemetry_acknowledged: u64,
    /// Telemetry messages that wait in the outbox, sent or not.
    pub queued: u32,
    /// Telemetry messages that will not be delivered, by cause.
    pub dropped: Dropped,
    /// Cloud-to-device messages that the application took.
    pub messages_taken: u64,
    /// The device's state, whether the indicator shows it or not.
    pub status: Status,
    /// True if an operator keeps the indicator dark.
    pub indicator_is_dark: bool,
    /// Condition of the platform at the last connect.
    pub condition: Condition,
    /// Messages from the hub that made no sense or did not fit, and were passed over.
    pub messages_ignored: u64,
    /// Counters of the MQTT session.
    pub mqtt: mqtt::Statistics,
}
