//! State that dies with a connection. A new one starts from [`LinkState::new`], so nothing can be left over.

use core::time::Duration;

use super::deliveries::Deliveries;
use super::inbound::{Pieces, Skip};
use super::keepalive::Keepalive;
use super::subscribe::Requests;
use crate::time::Instant;

/// The state of one connection, or of none.
pub(super) struct LinkState {
    /// Counts connections, so that a token of an earlier one is recognised.
    pub(super) number: u32,
    pub(super) phase: Phase,
    /// CONNECT asked for a clean session.
    pub(super) clean_session: bool,
    pub(super) keepalive: Keepalive,
    pub(super) deliveries: Deliveries,
    pub(super) requests: Requests,
    /// A message that is being given out in pieces.
    pub(super) pieces: Option<Pieces>,
    /// A message that does not fit and is being discarded.
    pub(super) skip: Option<Skip>,
    /// No PUBLISH of the outbox may start.
    pub(super) hold: bool,
    /// A PINGREQ waits for room in the transmit buffer.
    pub(super) ping: bool,
    /// The next packet waits until a message is acknowledged, and this side stopped reading.
    pub(super) blocked: bool,
    /// Time at which the oldest message in flight became the oldest.
    pub(super) oldest_since: Instant,
    /// Source of the bytes that were given out last.
    pub(super) offered: Source,
}

/// Progress of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no connection.
    Closed,
    /// CONNECT is on its way.
    Connecting {
        /// Time at which it was queued.
        since: Instant,
        /// DISCONNECT follows it: the answer is not waited for.
        left: bool,
    },
    /// The server accepted.
    Connected,
    /// DISCONNECT was asked for and waits for room in the transmit buffer.
    Leaving,
    /// DISCONNECT is the last packet in the transmit buffer, or has left it.
    Left,
}

/// Place of the bytes for the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Nothing,
    TransmitBuffer,
    Outbox,
}

impl LinkState {
    /// No connection, after the one of this number.
    pub(super) const fn none(number: u32) -> Self {
        let never = Instant::from_millis(0);
        let keepalive = Keepalive::new(Duration::ZERO, Duration::ZERO, never);
        Self::new(number, Phase::Closed, false, keepalive, never)
    }

    pub(super) const fn new(
        number: u32,
        phase: Phase,
        clean_session: bool,
        keepalive: Keepalive,
        now: Instant,
    ) -> Self {
        Self {
            number,
            phase,
            clean_session,
            keepalive,
            deliveries: Deliveries::new(),
            requests: Requests::new(),
            pieces: None,
            skip: None,
            hold: false,
            ping: false,
            blocked: false,
            oldest_since: now,
            offered: Source::Nothing,
        }
    }
}
