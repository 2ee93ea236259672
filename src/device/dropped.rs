//! Messages that will not be delivered: counted by cause, and told once for each episode of dropping.
//!
//! An episode begins with the first message that is dropped. It ends when the device is connected, nothing was
//! dropped for [`QUIET`] ([`QUIET_TOO_LARGE`] if a message was too large), and half of the outbox is free if that
//! was full. So a link that is slower than the telemetry is one episode, and not one for each message.

use core::fmt::Display;
use core::time::Duration;

use super::Device;
use crate::application::Application;
use crate::connection::Connection;
use crate::logging::warn;
use crate::report::{Cause, Dropped};
use crate::time::Instant;

/// Time without a dropped message after which an episode can end.
const QUIET: Duration = Duration::from_secs(10);

/// The same if a message was too large: the next one that is may be many intervals away.
const QUIET_TOO_LARGE: Duration = Duration::from_secs(3600);

/// Time between reports to the twin during an episode that does not end.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);

/// The episode of dropping that goes on, if one does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Episode {
    /// The dropped messages of this episode.
    counted: Dropped,
    /// The causes that were told in this episode, one bit each.
    told: u16,
    /// Time at which a message was dropped last.
    last: Instant,
    /// Time at which the twin was last told to report the counters.
    reported: Instant,
}

impl Episode {
    const fn is_open(&self) -> bool {
        self.told != 0
    }

    fn saw(&self, cause: Cause) -> bool {
        self.told & cause.bit() != 0
    }
}

impl<A: Application> Device<'_, A> {
    /// Counts messages that will not be delivered. The first of an episode and cause is told in the log.
    pub(super) fn dropped(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        cause: Cause,
        messages: u32,
    ) {
        self.dropped_for(connection, now, cause, messages, &cause.explanation());
    }

    /// The same for a message of which more can be said.
    pub(super) fn dropped_for(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        cause: Cause,
        messages: u32,
        reason: &dyn Display,
    ) {
        if messages == 0 {
            return;
        }
        connection.report.dropped.add(cause, messages);
        let begins = !self.episode.is_open();
        self.episode.counted.add(cause, messages);
        self.episode.last = now;
        if !self.episode.saw(cause) {
            self.episode.told |= cause.bit();
            warn!(
                "telemetry: messages are dropped ({}): {reason}",
                cause.name()
            );
        }
        if begins || now.since(self.episode.reported) >= REPORT_INTERVAL {
            self.episode.reported = now;
            self.twin.counters_changed();
        }
    }

    /// Ends an episode that is over.
    pub(super) fn poll_episode(&mut self, connection: &Connection<'_>, now: Instant) {
        if self.episode_end(connection).is_some_and(|end| now >= end) {
            self.end_episode();
        }
    }

    /// Ends the episode that is open, if one is, and logs how many messages it has cost.
    pub(super) fn end_episode(&mut self) {
        if self.episode.is_open() {
            warn!(
                "telemetry: no more messages are dropped; dropped were {}",
                self.episode.counted
            );
            self.episode = Episode::default();
            self.twin.counters_changed();
        }
    }

    /// Time at which the current episode ends if nothing more is dropped. `None` if there is no episode, or if it
    /// cannot end by time alone.
    pub(super) fn episode_end(&self, connection: &Connection<'_>) -> Option<Instant> {
        let overflowed = [Cause::OverflowOldest, Cause::OverflowNewest]
            .into_iter()
            .any(|cause| self.episode.saw(cause));
        let still_full =
            overflowed && connection.session.outbox_free() < connection.session.outbox_size() / 2;
        let quiet = match self.episode.saw(Cause::TooLarge) {
            true => QUIET_TOO_LARGE,
            false => QUIET,
        };
        (self.episode.is_open() && !still_full).then(|| self.episode.last.after(quiet))
    }
}
