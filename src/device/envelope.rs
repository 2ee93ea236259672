//! The topics of telemetry messages: their ids, and the part that is the same for all.

use alloc::string::String;
use core::fmt::{self, Display, Write};

use crate::identity::Identity;
use crate::percent::Encoder;
use crate::properties::CREATION_TIME_UTC;
use crate::text::{Overflow, Text, render};
use crate::time::{Instant, UnixTime};
use crate::topic::Outbound;

/// The part of the scratch buffer, in bytes, that a telemetry topic may take: 46 for the fixed parts, 128 for
/// the device's id, 143 for the properties, and room for a module's id. A message of an [`outlet`](crate::outlet) has the
/// rest of the buffer.
pub const TELEMETRY_TOPIC_SIZE: usize = 448;

/// The key of a message's id, encoded.
const MESSAGE_ID: &str = "%24.mid=";

/// Ids of telemetry messages: unique for this start by its random part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageIds {
    start: Option<u64>,
    count: u64,
}

impl MessageIds {
    /// Passes over the ids of messages that were not measured.
    pub(super) const fn skip(&mut self, messages: u32) {
        self.count = self.count.wrapping_add(messages as u64);
    }

    /// The last id was not used.
    pub(super) const fn put_back(&mut self) {
        self.count = self.count.wrapping_sub(1);
    }

    /// The next id: 64 random bits of this start, and a count.
    pub(super) fn next(&mut self, random: u64) -> MessageId {
        self.count = self.count.wrapping_add(1);
        MessageId {
            start: *self.start.get_or_insert(random),
            count: self.count,
        }
    }
}

/// Unique among this device's messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageId {
    start: u64,
    count: u64,
}

impl Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.count)
    }
}

/// The start of all telemetry topics of this device since its start, formatted once: up to a message's count.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicStart {
    text: String,
    /// Place at which the id's key begins.
    before_id: usize,
}

impl TopicStart {
    /// Writes the start of a topic, with the message's id. Gives where the id's key begins.
    ///
    /// # Errors
    ///
    /// The space is too small.
    pub(super) fn write(
        &mut self,
        topic: &mut Text<'_>,
        identity: &Identity,
        id: MessageId,
    ) -> Result<usize, Overflow> {
        if self.text.is_empty() {
            topic.append(Outbound::Telemetry(identity))?;
            self.before_id = topic.len();
            topic.append(format_args!("{MESSAGE_ID}{:016x}-", id.start))?;
            self.text = topic.as_str().into();
        } else if topic.write_str(&self.text).is_err() {
            return Err(Overflow {
                capacity: topic.capacity(),
            });
        }
        topic.append(id.count)?;
        Ok(self.before_id)
    }
}

/// The property with the time at which a message was made, encoded, for the end of its topic.
pub(super) struct Created(pub(super) UnixTime);

impl Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "&{CREATION_TIME_UTC}=")?;
        write!(Encoder(f), "{}", self.0)
    }
}

/// Time that stands in a topic as long as the true one is not known.
pub(super) const UNKNOWN_TIME: UnixTime = UnixTime::from_millis(0);

/// Properties of a message whose time of creation can never be known: the number of the device's start, and the time since
/// then in milliseconds.
pub(super) struct Undated {
    pub(super) boot: u32,
    pub(super) at: Instant,
}

impl Display for Undated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uptime = self.at.as_millis();
        write!(f, "&createdBoot={}&createdUptimeMs={uptime}", self.boot)
    }
}

/// Writes the time of creation into the end of a topic that has [`UNKNOWN_TIME`] there. False if it has not.
pub(super) fn date(topic: &mut [u8], created: UnixTime) -> bool {
    let mut space = [[0; 64]; 2];
    let [old, new] = &mut space;
    let (Ok(old), Ok(new)) = (
        render(old, Created(UNKNOWN_TIME)),
        render(new, Created(created)),
    ) else {
        return false;
    };
    let start = topic.len().checked_sub(old.len());
    let end = start.and_then(|start| topic.get_mut(start..));
    match end.filter(|end| **end == *old.as_bytes() && old.len() == new.len()) {
        Some(end) => {
            end.copy_from_slice(new.as_bytes());
            true
        }
        None => false,
    }
}
