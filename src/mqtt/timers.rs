//! Answers that the server owes, and their deadlines.

use super::Session;
use super::connection::Phase;
use super::error::{Awaited, Error};
use crate::time::{Instant, earliest};

impl Session<'_> {
    /// Time at which to call [`poll`](Self::poll) although nothing came in; `None` without a connection.
    pub fn deadline(&self) -> Option<Instant> {
        let connection = &self.connection;
        match connection.phase {
            Phase::Closed | Phase::Connecting { left: true, .. } | Phase::Leaving | Phase::Left => {
                None
            }
            Phase::Connecting { since, left: false } => {
                Some(since.after(self.config.connack_timeout))
            }
            // A message was acknowledged: what waited for that can go on at once.
            Phase::Connected if connection.blocked && !connection.deliveries.is_full() => {
                Some(Instant::default())
            }
            Phase::Connected => {
                let pings = connection.keepalive.deadline(connection.blocked);
                earliest(
                    pings,
                    earliest(self.puback_deadline(), self.suback_deadline()),
                )
            }
        }
    }

    /// Ends a connection whose server owes something for too long, and asks for a PINGREQ when it is due.
    pub(super) fn check_timers(&mut self, now: Instant) -> Result<(), Error> {
        let connection = &mut self.connection;
        if let Phase::Connecting { since, left: false } = connection.phase {
            return match since.after(self.config.connack_timeout) <= now {
                true => Err(Error::Timeout(Awaited::Connack)),
                false => Ok(()),
            };
        }
        if connection.phase != Phase::Connected {
            return Ok(());
        }
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if connection.keepalive.expired(connection.blocked, now) {
            return Err(Error::Timeout(Awaited::Pingresp));
        }
        if connection.keepalive.ping(connection.blocked, now) {
            connection.ping = true;
        }
        if passed(self.puback_deadline()) {
            return Err(Error::Timeout(Awaited::Puback));
        }
        if passed(self.suback_deadline()) {
            return Err(Error::Timeout(Awaited::Suback));
        }
        Ok(())
    }

    fn puback_deadline(&self) -> Option<Instant> {
        let waiting = self.outbox.in_flight() > 0 && !self.connection.blocked;
        waiting.then(|| {
            self.connection
                .oldest_since
                .after(self.config.puback_timeout)
        })
    }

    fn suback_deadline(&self) -> Option<Instant> {
        let oldest = self
            .connection
            .requests
            .oldest()
            .filter(|_| !self.connection.blocked);
        oldest.map(|since| since.after(self.config.puback_timeout))
    }
}
