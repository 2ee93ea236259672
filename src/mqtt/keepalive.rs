//! Keep-alive: PINGREQs that keep the connection open, and that detect a server that is gone.
//!
//! A PINGREQ is due when nothing was sent for the interval (MQTT 3.1.1, section 3.1.2.10), and also when
//! nothing was *received* for it: a device that sends QoS 0 messages all the time would never notice a
//! half-open connection otherwise. After a PINGREQ, the server has the ping time-out to send anything. It counts
//! from the last byte that came.

use core::time::Duration;

use crate::time::{Instant, earliest};

/// The timers of one connection.
pub(super) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    last_sent: Instant,
    last_received: Instant,
    unanswered: u16,
    pinged: Instant,
}

impl Keepalive {
    pub(super) const fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            last_sent: now,
            last_received: now,
            unanswered: 0,
            pinged: now,
        }
    }

    pub(super) const fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(super) const fn received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// A PINGRESP came; false if none was due.
    pub(super) const fn answered(&mut self) -> bool {
        let due = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        due
    }

    /// True if the server has been silent for too long. `deaf`: this side is not reading.
    pub(super) fn expired(&self, deaf: bool, now: Instant) -> bool {
        self.expiry(deaf).is_some_and(|expiry| expiry <= now)
    }

    /// True if a PINGREQ is to be sent now. It then counts as sent, so that a stalled transport gets one.
    pub(super) fn ping(&mut self, deaf: bool, now: Instant) -> bool {
        let due = self.due(deaf).is_some_and(|due| due <= now);
        if due {
            if self.unanswered == 0 {
                self.pinged = now;
            }
            self.unanswered = self.unanswered.saturating_add(1);
            self.last_sent = now;
        }
        due
    }

    /// Time at which to look again; `None` without keep-alive.
    pub(super) fn deadline(&self, deaf: bool) -> Option<Instant> {
        earliest(self.due(deaf), self.expiry(deaf))
    }

    fn due(&self, deaf: bool) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        let mut from = self.last_sent;
        if self.unanswered == 0 && !deaf {
            from = from.min(self.last_received);
        }
        Some(from.after(self.interval))
    }

    fn expiry(&self, deaf: bool) -> Option<Instant> {
        let waiting = self.unanswered > 0 && !deaf;
        waiting.then(|| self.pinged.max(self.last_received).after(self.timeout))
    }
}
