//! Device-to-cloud messages.

mod event;
mod log;
mod segment;
mod telemetry;

pub use event::Event;
pub(crate) use event::base64_bytes;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use log::EVENTS;
pub(crate) use log::EventLog;
#[cfg(test)]
pub(crate) use log::Unnumbered;
pub(crate) use telemetry::{Flags, Sender, Stamp, event_from};
