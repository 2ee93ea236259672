//! The outbox between sessions: one session leaves its messages to the next one in the same memory, also for another
//! server.
//!
//! Messages are new to a server that has never seen them, even if another server has. DUP belongs to the session
//! with one server (MQTT 3.1.1, sections 3.3.1.1 and 4.4). The device's id is a part of each topic, so
//! for another id the packets are rewritten in place.

use super::error::RequestError;
use super::outbox::{Marks, Outbox};
use super::types::{PacketId, Statistics};
use super::{Buffers, Config, Session, codec};

/// Place of the messages that a session leaves in the outbox's memory. The bytes themselves stay there.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    marks: Marks,
    next_packet_id: PacketId,
    statistics: Statistics,
}

impl Default for Backlog {
    /// No messages: the backlog of a device that has just started.
    fn default() -> Self {
        Self {
            marks: Marks::default(),
            next_packet_id: PacketId::FIRST,
            statistics: Statistics::default(),
        }
    }
}

impl<'b> Session<'b> {
    /// A session without a connection, with the messages and counters that an earlier one left. `buffers.outbox`
    /// must be the same memory, untouched since.
    ///
    /// The second value counts messages that were lost, since that memory is not what it was: 0, or all of them.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn resume(
        config: Config,
        buffers: Buffers<'b>,
        backlog: &Backlog,
    ) -> Result<(Self, u32), RequestError> {
        let mut session = Self::new(config, buffers)?;
        session.next_packet_id = backlog.next_packet_id;
        session.statistics = backlog.statistics;
        let lost = match session.outbox.restore(backlog.marks) {
            true => 0,
            false => u32::try_from(backlog.marks.count).unwrap_or(u32::MAX),
        };
        Ok((session, lost))
    }

    /// Ends the session, and tells where its messages are.
    pub fn into_backlog(mut self) -> Backlog {
        self.disconnected();
        Backlog {
            marks: self.outbox.marks(),
            next_packet_id: self.next_packet_id,
            statistics: self.statistics,
        }
    }

    /// Prepares all messages for another server, which has seen none of them. In each topic, `start` replaces all up to
    /// the end of the first `marker`. A topic without `marker` does not change.
    ///
    /// Longer topics may not fit the outbox: then the oldest messages are dropped, and counted in the result.
    /// Call it without a connection.
    pub fn move_outbox(&mut self, marker: &str, start: &str) -> u32 {
        self.outbox.rewind();
        self.outbox.forget_offers();
        self.outbox.readdress(marker, start)
    }
}

/// One packet of the outbox, as it is to be rewritten.
struct Rewritten {
    /// The first byte: type and flags.
    first: u8,
    /// The part of the packet that is kept starts here.
    kept_from: usize,
    /// Bytes of the topic before the kept part: none, or the new start's.
    start: usize,
    /// Length of the topic.
    topic: usize,
    /// Value of the Remaining Length field.
    remaining: usize,
}

impl Rewritten {
    /// Bytes of the fixed header, and of the topic's length field.
    fn header(&self) -> usize {
        1 + length_field(self.remaining) + 2
    }

    /// Bytes of the whole packet.
    fn packet(&self) -> usize {
        1 + length_field(self.remaining) + self.remaining
    }

    /// Writes the fixed header and the topic's length to the start of `to`.
    fn write_header(&self, to: &mut [u8]) {
        let mut bytes = to.iter_mut();
        let mut put = |byte: u8| {
            if let Some(slot) = bytes.next() {
                *slot = byte;
            }
        };
        put(self.first);
        let mut left = self.remaining;
        loop {
            let more = if left > 0x7f { 0x80 } else { 0 };
            put((left & 0x7f) as u8 | more);
            left >>= 7;
            if left == 0 {
                break;
            }
        }
        let [high, low] = u16::try_from(self.topic).unwrap_or(u16::MAX).to_be_bytes();
        put(high);
        put(low);
    }
}

/// Bytes of a Remaining Length field (MQTT 3.1.1, section 2.2.3).
const fn length_field(remaining: usize) -> usize {
    match remaining {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// PUBLISH packet with the new start of its topic; `None` if it cannot be.
fn rewritten(packet: &[u8], marker: &[u8], start: usize) -> Option<Rewritten> {
    let first = packet.first()?;
    let (topic_range, _) = codec::parts(packet)?;
    let (topic_at, topic) = (topic_range.start, topic_range.len());
    let text = packet.get(topic_range)?;
    let found = text
        .windows(marker.len().max(1))
        .position(|window| window == marker);
    let (old, start) = match found {
        Some(at) => (at + marker.len(), start),
        None => (0, 0),
    };
    let kept_from = topic_at + old;
    let topic = topic - old + start;
    u16::try_from(topic).ok()?;
    Some(Rewritten {
        first: *first,
        kept_from,
        start,
        topic,
        remaining: 2 + start + packet.len() - kept_from,
    })
}

impl Outbox<'_> {
    /// See [`Session::move_outbox`]. Nothing may have been offered.
    fn readdress(&mut self, marker: &str, start: &str) -> u32 {
        let (marker, start) = (marker.as_bytes(), start.as_bytes());
        let dropped = self.drop_until_it_fits(marker, start.len());
        // All packets move to the end, and are written from the beginning: the gap between the two is as large as what
        // is still to grow, so that nothing is overwritten before it was read.
        let (mut from, end) = self.move_to_end();
        let mut to = 0;
        while from < end {
            let Some((length, kept_beside, packet)) = self.packet_at(from, end) else {
                break;
            };
            let Some(new) = rewritten(packet, marker, start.len()) else {
                break;
            };
            let body = Self::body_at(to);
            let kept = Self::body_at(from) + new.kept_from..Self::body_at(from) + length;
            self.move_bytes(kept, body + new.header() + new.start);
            self.write_at(body, |space| {
                new.write_header(space);
                let topic = space.get_mut(new.header()..).unwrap_or_default();
                for (to, from) in topic.iter_mut().zip(start.iter().take(new.start)) {
                    *to = *from;
                }
            });
            self.write_entry_header(to, new.packet(), kept_beside);
            from = Self::body_at(from) + length;
            to = body + new.packet();
        }
        self.begin_at_zero(to);
        dropped
    }

    /// Drops the oldest messages until all would fit, and those that cannot be rewritten.
    fn drop_until_it_fits(&mut self, marker: &[u8], start: usize) -> u32 {
        let mut dropped: u32 = 0;
        let mut needed = 0_usize;
        let size = |outbox: &Self, at: usize| {
            let (length, packet) = outbox.first_packet(at)?;
            let new = rewritten(packet, marker, start).map(|new| Self::body_at(0) + new.packet());
            Some((Self::body_at(at) + length, new))
        };
        let mut at = self.marks().head;
        while let Some((next, new)) = size(self, at) {
            match new {
                Some(new) => {
                    needed = needed.saturating_add(new);
                    at = next;
                }
                None => {
                    // What was behind it moves to its place, unless it was the first.
                    let first = at == self.marks().head;
                    self.remove_at(at);
                    at = if first { self.marks().head } else { at };
                    dropped = dropped.saturating_add(1);
                }
            }
        }
        while needed > self.size() {
            let at = self.marks().head;
            let Some((_, Some(new))) = size(self, at) else {
                break;
            };
            self.remove_at(at);
            needed -= new;
            dropped = dropped.saturating_add(1);
        }
        dropped
    }
}
