//! Form of a message in the queue.
//!
//! A record is a header of [`HEADER`] bytes, the message's properties as they stand in its topic, and its body:
//!
//! | Bytes | Content |
//! |---|---|
//! | 1 | format: 1 |
//! | 1 | flags: 1 urgent, 2 without a creation time, 4 a clock instead of a message |
//! | 4 | number, one more than that of the record before |
//! | 4 | boot: the start of the device in which it was made |
//! | 8 | creation time in ms since 1970; without one, uptime in ms; of a clock, the time at uptime 0 |
//! | 4 | time to live in seconds; 0 for ever |
//! | 2 | length of the properties |
//!
//! Numbers are little-endian. The device's id is in no record, so a queue may go to another hub under another id.

use crate::port::{Queue, QueueError};
use crate::time::{Instant, UnixTime};

/// Length of the part before the properties, in bytes.
pub const HEADER: usize = 1 + 1 + 4 + 4 + 8 + 4 + 2;

const FORMAT: u8 = 1;
const URGENT: u8 = 1;
const UNDATED: u8 = 2;
const CLOCK: u8 = 4;

/// Time at which a message was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// As people count it.
    At(UnixTime),
    /// The clock was not set: since the start of the device.
    Uptime(Instant),
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'r> {
    pub(crate) number: u32,
    pub(crate) boot: u32,
    pub(crate) kind: Kind<'r>,
}

/// Content of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'r> {
    Message(Message<'r>),
    /// The clock of a boot was set: the time at its uptime 0.
    Clock(UnixTime),
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'r> {
    pub(crate) urgent: bool,
    pub(crate) created: Created,
    /// Seconds after which it is of no use; 0 if it always is.
    pub(crate) time_to_live: u32,
    /// Properties as they stand in the topic, percent-encoded, without the creation time.
    pub(crate) properties: &'r str,
    pub(crate) body: &'r [u8],
}

impl<'r> Record<'r> {
    /// The header. Properties and body follow it.
    pub(crate) fn header(&self) -> [u8; HEADER] {
        let (flags, time, time_to_live, length) = match self.kind {
            Kind::Clock(time) => (CLOCK, time.as_millis(), 0, 0),
            Kind::Message(message) => {
                let (dated, time) = match message.created {
                    Created::At(time) => (0, time.as_millis()),
                    Created::Uptime(time) => (UNDATED, time.as_millis()),
                };
                let urgent = if message.urgent { URGENT } else { 0 };
                let length = message.properties.len();
                (dated | urgent, time, message.time_to_live, length)
            }
        };
        let mut header = [0; HEADER];
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let parts = [FORMAT, flags]
            .into_iter()
            .chain(self.number.to_le_bytes())
            .chain(self.boot.to_le_bytes())
            .chain(time.to_le_bytes())
            .chain(time_to_live.to_le_bytes())
            .chain(length.to_le_bytes());
        for (to, from) in header.iter_mut().zip(parts) {
            *to = from;
        }
        header
    }

    /// Appends it to a queue.
    ///
    /// # Errors
    ///
    /// As [`Queue::push`].
    pub(crate) fn push(&self, queue: &mut dyn Queue, urgent: bool) -> Result<(), QueueError> {
        let header = self.header();
        match self.kind {
            Kind::Clock(_) => queue.push(&[&header], urgent),
            Kind::Message(message) => {
                let parts = [&header[..], message.properties.as_bytes(), message.body];
                queue.push(&parts, urgent)
            }
        }
    }

    /// `None` if it makes no sense: another format, or damage.
    pub(crate) fn parse(bytes: &'r [u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let (flags, rest) = rest.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (time_to_live, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let time = u64::from_le_bytes(*time);
        let (properties, body) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let kind = match flags & CLOCK {
            0 => Kind::Message(Message {
                urgent: flags & URGENT != 0,
                created: match flags & UNDATED {
                    0 => Created::At(UnixTime::from_millis(time)),
                    _ => Created::Uptime(Instant::from_millis(time)),
                },
                time_to_live: u32::from_le_bytes(*time_to_live),
                properties: core::str::from_utf8(properties).ok()?,
                body,
            }),
            _ => Kind::Clock(UnixTime::from_millis(time)),
        };
        (*format == FORMAT).then_some(Self {
            number: u32::from_le_bytes(*number),
            boot: u32::from_le_bytes(*boot),
            kind,
        })
    }
}
