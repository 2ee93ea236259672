//! Messages that will not be delivered: counted by cause, and told once for each episode of dropping.
//!
//! An episode begins with the first message that is dropped. It ends when the device is connected, nothing was
//! dropped for [`QUIET`] ([`QUIET_TOO_LARGE`] if a message was too large), and half of the outbox is free if that
//! was full. So a link that is slower than the telemetry is one episode, and not one for each message.

use core::fmt::{self, Display};
use core::time::Duration;

use super::Device;
use crate::application::Application;
use crate::json::Object;
use crate::logging::warn;
use crate::time::Instant;

/// Time without a dropped message after which an episode can end.
const QUIET: Duration = Duration::from_secs(10);

/// The same if a message was too large: the next one that is may be many intervals away.
const QUIET_TOO_LARGE: Duration = Duration::from_secs(3600);

/// Time between reports to the twin during an episode that does not end.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);

/// Reason why a telemetry message is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The outbox was full, and the oldest message made room for a new one
    /// ([`Overflow::DropOldest`](crate::mqtt::Overflow::DropOldest)).
    OverflowOldest,
    /// The outbox was full, and did not take a new message: by
    /// [`Overflow::RefuseNewest`](crate::mqtt::Overflow::RefuseNewest), or since messages in flight filled it.
    OverflowNewest,
    /// The message fits no buffer: scratch, or outbox.
    TooLarge,
    /// The message fell due while the device was busy, such as with a TLS handshake, and was not measured.
    NotSampled,
    /// The device was given another id, and the queue had no room for the message with it.
    Reprovisioned,
    /// The message was still queued when the device was stopped or restarted.
    LeftBehind,
}

impl Cause {
    /// All causes, in the order in which they are reported.
    pub const ALL: [Self; 6] = [
        Self::OverflowOldest,
        Self::OverflowNewest,
        Self::TooLarge,
        Self::NotSampled,
        Self::Reprovisioned,
        Self::LeftBehind,
    ];

    /// The name in the twin, in `getStatus` and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverflowOldest => "overflowOldest",
            Self::OverflowNewest => "overflowNewest",
            Self::TooLarge => "tooLarge",
            Self::NotSampled => "notSampled",
            Self::Reprovisioned => "reprovisioned",
            Self::LeftBehind => "leftBehind",
        }
    }

    /// The reason, and the remedy if there is one, for the log.
    const fn explanation(self) -> &'static str {
        match self {
            Self::OverflowOldest => "the outbox is full, so the oldest make room for new ones",
            Self::OverflowNewest => "the outbox is full and takes no new ones",
            Self::TooLarge => "they fit no buffer",
            Self::NotSampled => "they fell due while the device was busy, and were not measured",
            Self::Reprovisioned => "the outbox has no room for them with the new device id",
            Self::LeftBehind => "they were left behind when the device ended",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Numbers of dropped messages by cause. They stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u32; Cause::ALL.len()]);

impl Dropped {
    /// Messages that were dropped for this cause.
    pub fn of(&self, cause: Cause) -> u32 {
        self.0.get(cause as usize).copied().unwrap_or_default()
    }

    /// Messages that were dropped for any cause.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// Counts messages.
    pub(crate) fn add(&mut self, cause: Cause, messages: u32) {
        if let Some(count) = self.0.get_mut(cause as usize) {
            *count = count.saturating_add(messages);
        }
    }

    /// Writes one member for each cause. Those of zero are written too, since a twin keeps what it is not told
    /// about, also from before a restart.
    pub fn write(&self, object: &mut Object<'_, '_>) {
        for cause in Cause::ALL {
            object.integer(cause.name(), self.of(cause).into());
        }
    }
}

/// Displays the number, and the causes that occurred: `443: overflowOldest 440, notSampled 3`.
impl Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())?;
        let occurred = |cause: &Cause| self.of(*cause) > 0;
        for (index, cause) in Cause::ALL.into_iter().filter(occurred).enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            write!(f, "{separator}{} {}", cause.name(), self.of(cause))?;
        }
        Ok(())
    }
}

/// The episode of dropping that goes on, if one does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Episode {
    /// The dropped messages of this episode.
    counted: Dropped,
    /// The causes that were told in this episode, one bit each.
    told: u8,
    /// When a message was dropped last.
    last: Instant,
    /// When the twin was to be told last.
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
    pub(super) fn dropped(&mut self, now: Instant, cause: Cause, messages: u32) {
        self.dropped_for(now, cause, messages, &cause.explanation());
    }

    /// The same for a message of which more can be said.
    pub(super) fn dropped_for(
        &mut self,
        now: Instant,
        cause: Cause,
        messages: u32,
        reason: &dyn Display,
    ) {
        if messages == 0 {
            return;
        }
        self.report.dropped.add(cause, messages);
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
    pub(super) fn settle(&mut self, now: Instant) {
        if self.episode_end().is_some_and(|end| now >= end) {
            self.end_episode();
        }
    }

    /// Tells how many messages an episode has cost, if one is going on.
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

    /// When the episode that goes on ends if nothing more is dropped; `None` as long as that is not all that it
    /// takes.
    pub(super) fn episode_end(&self) -> Option<Instant> {
        let overflowed = [Cause::OverflowOldest, Cause::OverflowNewest]
            .into_iter()
            .any(|cause| self.episode.saw(cause));
        let still_full = overflowed && self.session.outbox_free() < self.session.outbox_size() / 2;
        let quiet = match self.episode.saw(Cause::TooLarge) {
            true => QUIET_TOO_LARGE,
            false => QUIET,
        };
        (self.episode.is_open() && !still_full).then(|| self.episode.last.after(quiet))
    }
}
