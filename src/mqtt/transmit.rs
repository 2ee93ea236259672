//! The way out: which bytes the transport gets next.
//!
//! Control packets go first, but never into the middle of a message. Messages go from the outbox itself,
//! once the server has accepted the connection and as long as fewer than the configured number are in
//! flight.

use super::connection::{Phase, Source};
use super::outbox::Taken;
use super::types::count;
use super::{Session, codec};
use crate::time::Instant;

impl Session<'_> {
    /// The bytes to write to the transport now; empty if there are none. Call
    /// [`transmitted`](Self::transmitted) before anything else when the transport took some of them.
    ///
    /// It takes `&mut self` because a message that was given out counts as perhaps sent from then on: a
    /// transport may take it and fail before saying so, and it must be marked as a duplicate next time.
    pub fn transmit(&mut self) -> &[u8] {
        self.flush();
        self.connection.offered = self.source();
        match self.connection.offered {
            Source::Nothing => &[],
            Source::TransmitBuffer => self.transmit_buffer.pending(),
            Source::Outbox => self.outbox.offer(),
        }
    }

    /// The transport took the first `n` of the bytes that [`transmit`](Self::transmit) gave last.
    pub fn transmitted(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        match self.connection.offered {
            Source::Nothing => return,
            Source::TransmitBuffer => self.transmit_buffer.take(n),
            Source::Outbox => self.outbox_taken(n, now),
        }
        self.connection.keepalive.sent(now);
        self.connection.requests.stamp(now, false);
    }

    fn outbox_taken(&mut self, n: usize, now: Instant) {
        if self.outbox.in_flight() == 0 {
            self.connection.oldest_since = now;
        }
        if let Taken::Whole { repeated } = self.outbox.take(n) {
            count(&mut self.statistics.sent);
            if repeated {
                count(&mut self.statistics.resent);
            }
        }
    }

    fn source(&self) -> Source {
        if self.connection.phase == Phase::Closed {
            return Source::Nothing;
        }
        if !self.transmit_buffer.is_empty() && !self.outbox.is_partial() {
            return Source::TransmitBuffer;
        }
        let may_start = self.connection.phase == Phase::Connected && !self.connection.hold;
        let window = if may_start {
            self.config.max_in_flight.max(1)
        } else {
            0
        };
        if self.outbox.ready(window) {
            return Source::Outbox;
        }
        Source::Nothing
    }

    /// Queues what is due and has room: PUBACKs in order, PINGREQ, and DISCONNECT last.
    fn flush(&mut self) {
        if !matches!(self.connection.phase, Phase::Connected | Phase::Leaving) {
            return;
        }
        while let Some(packet_id) = self.connection.deliveries.ready() {
            let Ok(packet) = codec::puback(packet_id) else {
                return;
            };
            if self.transmit_buffer.push(&packet).is_err() {
                return;
            }
            self.connection.deliveries.pop();
        }
        if self.connection.ping {
            let queued =
                codec::pingreq().is_ok_and(|packet| self.transmit_buffer.push(&packet).is_ok());
            self.connection.ping = !queued;
        }
        if self.connection.phase == Phase::Leaving {
            let queued =
                codec::disconnect().is_ok_and(|packet| self.transmit_buffer.push(&packet).is_ok());
            if queued {
                self.connection.phase = Phase::Left;
            }
        }
    }
}
