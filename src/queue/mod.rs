//! The queue of messages that outlives restarts and power cuts.
//!
//! A device's outbox is in RAM. Behind it a [`Queue`](crate::port::Queue) keeps messages in flash, or in a file on a host.
//! [`Mode`] says when. The device reads a few at a time back into its outbox, and removes each one when the hub has it.
//!
//! | Event | `off` | `spill` | `always` |
//! |---|---|---|---|
//! | The hub is away, RAM fills | the oldest or the newest are dropped | nothing is lost | nothing is lost |
//! | A stop or restart as planned | what is not sent in time is lost | nothing is lost | nothing is lost |
//! | A power cut or a watchdog, online | what is in the outbox is lost | what is in the outbox is lost | nothing is lost |
//! | The same after a time offline | what is in the outbox is lost | what is younger than [`Config::spill_after`] is lost | nothing is lost |
//!
//! After a restart, messages that were on their way are sent again. The hub gets those twice whose acknowledgement was lost,
//! or not noted before the cut: at most as many as may be under way, [`Config::window`] and the session's `max_in_flight`
//! together.
//!
//! Behind the feature `queue`: without it, a device uses no queue, and nothing of it is in the image.

#[cfg(all(any(test, feature = "bench"), any(test, feature = "queue")))]
pub mod nor;
pub(crate) mod record;
#[cfg(any(test, feature = "queue"))]
mod store;
#[cfg(test)]
mod tests;

use core::time::Duration;

pub use self::record::HEADER as RECORD_HEADER;
#[cfg(any(test, feature = "queue"))]
pub use self::store::Store;

/// Conditions under which messages are written to the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stores no message. Those of an earlier start are sent.
    #[default]
    Off,
    /// Stores messages when the outbox fills, before a planned stop or restart, and after a time offline.
    Spill,
    /// Stores each message before it is sent.
    Always,
}

/// Order in which the queue and new messages are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest first: a new message waits until all before it are sent.
    #[default]
    OldestFirst,
    /// New messages at once, and the queue's beside them.
    LiveFirst,
}

/// Effect of a message for which the queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest make room, a page at a time. Urgent ones are kept as long as there are others.
    #[default]
    DropOldest,
    /// The new one is dropped.
    RefuseNewest,
    /// From half full on, every second message is kept; from three quarters on every fourth, then every eighth. If the
    /// queue is full all the same, the oldest make room. Urgent ones are always kept.
    ThinOut,
}

/// Settings of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Conditions under which messages are written to it. Default never.
    pub mode: Mode,
    /// The order of sending. Default the oldest first.
    pub order: Order,
    /// Effect of a full queue. Default the oldest are dropped.
    pub overflow: Overflow,
    /// Messages a second at which a backlog is sent. Default 10; 0 is taken for 1.
    pub rate: u16,
    /// Messages that are read into the outbox at a time. Default 8; 0 is taken for 1.
    pub window: u16,
    /// The longest time that a message is in RAM only while the hub cannot be reached, in [`Mode::Spill`]. Default 60 s.
    pub spill_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            order: Order::OldestFirst,
            overflow: Overflow::DropOldest,
            rate: 10,
            window: 8,
            spill_after: Duration::from_secs(60),
        }
    }
}
