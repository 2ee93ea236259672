//! The outbox: queued QoS 1 messages and those in flight, in one bounded region of bytes.
//!
//! Entries are complete PUBLISH packets behind a small header, in the order of publishing, each contiguous,
//! so that they are sent from where they lie. Three marks divide them:
//!
//! ```text
//! head            cursor                fresh                 tail
//!  | in flight on   | tried on an earlier | never offered to    |   free
//!  | this connection| connection          | any transport       |
//! ```
//!
//! A new connection puts the cursor back to the head: everything before `fresh` is sent again, marked DUP
//! (MQTT 3.1.1, sections 4.4 and 3.3.1.1). Only entries from `fresh` on are ever dropped. Removing at the
//! head costs nothing; elsewhere, and when the end of the region is reached, bytes are moved.

use super::OverflowPolicy;
use super::error::{Buffer, RequestError};
use super::types::{Label, PacketId};

/// Length of the packet (4 bytes) and packet identifier (2 bytes), little-endian, and the label.
pub(super) const ENTRY_HEADER: usize = 6 + Label::LENGTH;
/// The DUP flag in the first byte of a PUBLISH (MQTT 3.1.1, section 3.3.1.1).
const DUP: u8 = 0b1000;

/// See the module.
pub(super) struct Outbox<'b> {
    region: &'b mut [u8],
    head: usize,
    cursor: usize,
    fresh: usize,
    tail: usize,
    /// Bytes of the packet at the cursor that this connection has taken.
    partial: usize,
    in_flight: u16,
    unsent: usize,
    count: usize,
}

/// Positions of the messages in an outbox without a connection, and their number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) head: usize,
    pub(super) fresh: usize,
    pub(super) tail: usize,
    pub(super) count: usize,
}

/// One entry, by the place of its header.
#[derive(Clone, Copy)]
struct Entry {
    at: usize,
    length: usize,
    id: u16,
    label: [u8; Label::LENGTH],
}

impl Entry {
    const fn packet(self) -> usize {
        self.at + ENTRY_HEADER
    }

    const fn end(self) -> usize {
        self.packet().saturating_add(self.length)
    }
}

/// Packet identifier and label of an entry.
type Identity = (u16, [u8; Label::LENGTH]);

/// Packets that completed when bytes were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing yet: the packet goes on.
    Part,
    /// A packet went out completely.
    Whole {
        /// It had been tried on an earlier connection.
        repeated: bool,
    },
}

/// Effect of a PUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The oldest entry is gone.
    Oldest,
    /// A later entry is gone.
    Later,
    /// No entry that was sent has this identifier.
    Unknown,
}

impl<'b> Outbox<'b> {
    pub(super) const fn new(region: &'b mut [u8]) -> Self {
        Self {
            region,
            head: 0,
            cursor: 0,
            fresh: 0,
            tail: 0,
            partial: 0,
            in_flight: 0,
            unsent: 0,
            count: 0,
        }
    }

    /// Messages sent on this connection, completely or in part, and not acknowledged.
    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight.saturating_add(u16::from(self.partial > 0))
    }

    /// Messages that were never offered to a transport.
    pub(super) const fn unsent(&self) -> usize {
        self.unsent
    }

    /// All messages.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Bytes that are free, entry headers not counted.
    pub(super) const fn free(&self) -> usize {
        self.region.len() - (self.tail - self.head)
    }

    /// Bytes in all.
    pub(super) const fn size(&self) -> usize {
        self.region.len()
    }

    pub(super) fn contains(&self, id: PacketId) -> bool {
        self.entries(self.head).any(|entry| entry.id == id.get())
    }

    /// A part of a packet has been sent: nothing else may go between.
    pub(super) const fn is_partial(&self) -> bool {
        self.partial > 0
    }

    /// Makes sure that a packet of `length` bytes fits, by dropping the oldest never-sent entries if the
    /// policy says so. Gives how many were dropped; drops nothing if that would not be enough.
    pub(super) fn make_room(
        &mut self,
        length: usize,
        overflow: OverflowPolicy,
    ) -> Result<u32, RequestError> {
        let needed = length.saturating_add(ENTRY_HEADER);
        if needed > self.size() {
            return Err(RequestError::TooLarge {
                buffer: Buffer::Outbox,
                needed,
                size: self.size(),
            });
        }
        let droppable = match overflow {
            OverflowPolicy::DropOldest => self.tail - self.fresh,
            OverflowPolicy::RefuseNewest => 0,
        };
        if needed > self.free() + droppable {
            return Err(RequestError::OutboxFull {
                needed,
                free: self.free(),
            });
        }
        let mut dropped: u32 = 0;
        while needed > self.free() {
            let is_routine = |entry: &Entry| !Label::from_bytes(entry.label).urgent;
            let routine = self.entries(self.fresh).find(is_routine);
            let Some(oldest) = routine.or_else(|| self.entry(self.fresh)) else {
                break;
            };
            self.remove_entry(oldest);
            dropped = dropped.saturating_add(1);
        }
        Ok(dropped)
    }

    /// Appends a packet, for which [`Self::make_room`] made room.
    pub(super) fn push(
        &mut self,
        id: PacketId,
        packet: &[u8],
        label: Label,
    ) -> Result<(), RequestError> {
        let needed = packet.len().saturating_add(ENTRY_HEADER);
        let full = RequestError::OutboxFull {
            needed,
            free: self.free(),
        };
        if needed > self.free() {
            return Err(full);
        }
        if needed > self.region.len() - self.tail {
            self.compact();
        }
        let length = u32::try_from(packet.len()).map_err(|_| full)?;
        let entry = self
            .region
            .get_mut(self.tail..self.tail + needed)
            .ok_or(full)?;
        let (header, body) = entry.split_at_mut(ENTRY_HEADER);
        write_header(header, length, id.get(), label.to_bytes());
        body.copy_from_slice(packet);
        self.tail += needed;
        self.count += 1;
        self.unsent += 1;
        Ok(())
    }

    /// A new connection: everything that was ever offered goes out again, marked as a duplicate.
    pub(super) fn rewind(&mut self) {
        let mut at = self.head;
        while let Some(entry) = self.entry(at).filter(|entry| entry.at < self.fresh) {
            if let Some(first) = self.region.get_mut(entry.packet()) {
                *first |= DUP;
            }
            at = entry.end();
        }
        self.cursor = self.head;
        self.partial = 0;
        self.in_flight = 0;
    }

    /// True if there is something to send: the rest of a packet, or the next one if `window` allows it.
    pub(super) fn ready(&self, window: u16) -> bool {
        self.is_partial() || (self.in_flight < window && self.cursor < self.tail)
    }

    /// The bytes to send next. From now on, they count as perhaps sent, since the transport may take them
    /// and fail before it says so.
    pub(super) fn offer(&mut self) -> &[u8] {
        let Some(entry) = self.entry(self.cursor) else {
            return &[];
        };
        if entry.at == self.fresh {
            self.fresh = entry.end();
            self.unsent = self.unsent.saturating_sub(1);
        }
        self.region
            .get(entry.packet() + self.partial..entry.end())
            .unwrap_or_default()
    }

    /// The transport took `n` of the bytes offered.
    pub(super) fn take(&mut self, n: usize) -> Taken {
        let Some(entry) = self
            .entry(self.cursor)
            .filter(|entry| entry.at < self.fresh)
        else {
            return Taken::Part;
        };
        self.partial = self.partial.saturating_add(n).min(entry.length);
        if self.partial < entry.length {
            return Taken::Part;
        }
        self.cursor = entry.end();
        self.partial = 0;
        self.in_flight = self.in_flight.saturating_add(1);
        let first = self.region.get(entry.packet()).copied().unwrap_or_default();
        Taken::Whole {
            repeated: first & DUP != 0,
        }
    }

    /// The server acknowledged `id`. One that was only sent on an earlier connection counts too: the
    /// server may have been late. Not so the packet that is just being sent, which must be finished.
    pub(super) fn acknowledge(&mut self, id: PacketId) -> Removal {
        let found = self
            .entries(self.head)
            .take_while(|entry| entry.at < self.fresh)
            .find(|entry| {
                let sending = entry.at == self.cursor && self.partial > 0;
                entry.id == id.get() && !sending
            });
        let Some(entry) = found else {
            return Removal::Unknown;
        };
        let removal = if entry.at == self.head {
            Removal::Oldest
        } else {
            Removal::Later
        };
        self.remove_entry(entry);
        removal
    }

    /// Positions and number of the messages.
    pub(super) const fn marks(&self) -> Marks {
        Marks {
            head: self.head,
            fresh: self.fresh,
            tail: self.tail,
            count: self.count,
        }
    }

    /// Takes over the messages that an earlier outbox left in this memory. False, and nothing is taken, if they
    /// are not there.
    pub(super) fn restore(&mut self, marks: Marks) -> bool {
        if marks.head > marks.tail || marks.tail > self.size() {
            return false;
        }
        self.tail = marks.tail;
        let (mut at, mut count, mut unsent, mut whole) = (marks.head, 0, 0, false);
        while let Some(entry) = self.entry(at).filter(|entry| entry.end() <= marks.tail) {
            whole |= at == marks.fresh;
            count += 1;
            unsent += usize::from(at >= marks.fresh);
            at = entry.end();
        }
        whole |= at == marks.fresh;
        if at != marks.tail || count != marks.count || !whole {
            self.tail = 0;
            return false;
        }
        (self.head, self.cursor, self.fresh) = (marks.head, marks.head, marks.fresh);
        (self.count, self.unsent) = (count, unsent);
        true
    }

    /// Everything counts as never sent: there is another server.
    pub(super) fn forget_offers(&mut self) {
        let mut at = self.head;
        while let Some(entry) = self.entry(at) {
            if let Some(first) = self.region.get_mut(entry.packet()) {
                *first &= !DUP;
            }
            at = entry.end();
        }
        self.fresh = self.head;
        self.unsent = self.count;
    }

    /// Offset of the packet whose entry begins at `at`.
    pub(super) const fn body_at(at: usize) -> usize {
        at + ENTRY_HEADER
    }

    /// Length of the packet whose entry begins at `at`, and the packet.
    pub(super) fn first_packet(&self, at: usize) -> Option<(usize, &[u8])> {
        let entry = self.entry(at)?;
        let packet = self.region.get(entry.packet()..entry.end())?;
        Some((entry.length, packet))
    }

    /// The same before `end`, also outside of head and tail, with the packet identifier and the label.
    pub(super) fn packet_at(&self, at: usize, end: usize) -> Option<(usize, Identity, &[u8])> {
        let entry = Self::entry_in(self.region.get(..end)?, at)?;
        let packet = self.region.get(entry.packet()..entry.end())?;
        Some((entry.length, (entry.id, entry.label), packet))
    }

    /// All messages in their order: packet identifier, label, packet, and true if it was offered to a transport.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, Label, &[u8], bool)> + '_ {
        self.entries(self.head).filter_map(|entry| {
            let packet = self.region.get(entry.packet()..entry.end())?;
            let label = Label::from_bytes(entry.label);
            Some((entry.id, label, packet, entry.at < self.fresh))
        })
    }

    /// Gives each packet that was never offered, with its label, to `amend`.
    pub(super) fn amend(&mut self, amend: &mut dyn FnMut(&mut Label, &mut [u8])) {
        let mut at = self.fresh;
        while let Some(entry) = self.entry(at) {
            let mut label = Label::from_bytes(entry.label);
            if let Some(packet) = self.region.get_mut(entry.packet()..entry.end()) {
                amend(&mut label, packet);
            }
            let length = u32::try_from(entry.length).unwrap_or(u32::MAX);
            let header = self.region.get_mut(at..).unwrap_or_default();
            write_header(header, length, entry.id, label.to_bytes());
            at = entry.end();
        }
    }

    /// Takes out a message, if it was never offered to a transport.
    pub(super) fn withdraw(&mut self, id: u16) -> bool {
        let entry = self.entries(self.fresh).find(|entry| entry.id == id);
        entry.map(|entry| self.remove_entry(entry)).is_some()
    }

    pub(super) fn remove_at(&mut self, at: usize) {
        if let Some(entry) = self.entry(at) {
            self.remove_entry(entry);
        }
    }

    /// Moves everything to the end of the region; gives where it begins and ends there. The marks stay as they
    /// were: [`Self::begin_at_zero`] sets them.
    pub(super) fn move_to_end(&mut self) -> (usize, usize) {
        let from = self.size() - (self.tail - self.head);
        self.region.copy_within(self.head..self.tail, from);
        (from, self.size())
    }

    /// Everything was written to the start of the region, up to `tail`, and nothing was offered.
    pub(super) fn begin_at_zero(&mut self, tail: usize) {
        (self.head, self.cursor, self.fresh, self.tail) = (0, 0, 0, tail);
        self.count = self.entries(0).count();
        self.unsent = self.count;
    }

    pub(super) fn move_bytes(&mut self, from: core::ops::Range<usize>, to: usize) {
        if from.end <= self.size() && to <= from.start {
            self.region.copy_within(from, to);
        }
    }

    pub(super) fn write_at(&mut self, at: usize, write: impl FnOnce(&mut [u8])) {
        write(self.region.get_mut(at..).unwrap_or_default());
    }

    pub(super) fn write_entry_header(&mut self, at: usize, length: usize, (id, label): Identity) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let header = self.region.get_mut(at..).unwrap_or_default();
        write_header(header, length, id, label);
    }

    fn remove_entry(&mut self, entry: Entry) {
        let size = entry.end() - entry.at;
        self.count = self.count.saturating_sub(1);
        if entry.at < self.cursor {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        if entry.at >= self.fresh {
            self.unsent = self.unsent.saturating_sub(1);
        }
        if entry.at == self.head {
            self.head = entry.end();
            self.cursor = self.cursor.max(self.head);
            self.fresh = self.fresh.max(self.head);
            return;
        }
        self.region.copy_within(entry.end()..self.tail, entry.at);
        self.tail -= size;
        for mark in [&mut self.cursor, &mut self.fresh] {
            if *mark > entry.at {
                *mark -= size;
            }
        }
    }

    /// Moves everything to the start of the region.
    fn compact(&mut self) {
        self.region.copy_within(self.head..self.tail, 0);
        let gap = self.head;
        for mark in [
            &mut self.head,
            &mut self.cursor,
            &mut self.fresh,
            &mut self.tail,
        ] {
            *mark -= gap;
        }
    }

    fn entries(&self, from: usize) -> impl Iterator<Item = Entry> + '_ {
        core::iter::successors(self.entry(from), |entry| self.entry(entry.end()))
    }

    /// The entry whose header is at `at`; `None` at the tail.
    fn entry(&self, at: usize) -> Option<Entry> {
        Self::entry_in(self.region.get(..self.tail)?, at)
    }

    fn entry_in(region: &[u8], at: usize) -> Option<Entry> {
        let header = region.get(at..)?.first_chunk::<ENTRY_HEADER>()?;
        let [a, b, c, d, low, high, label @ ..] = *header;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        Some(Entry {
            at,
            length,
            id: u16::from_le_bytes([low, high]),
            label,
        })
    }
}

/// Writes the header of an entry to the start of `to`.
fn write_header(to: &mut [u8], length: u32, id: u16, label: [u8; Label::LENGTH]) {
    let bytes = length.to_le_bytes().into_iter().chain(id.to_le_bytes());
    for (to, from) in to.iter_mut().zip(bytes.chain(label)) {
        *to = from;
    }
}

#[cfg(test)]
impl Outbox<'_> {
    /// All of the memory.
    pub(super) fn bytes(&self) -> &[u8] {
        self.region
    }

    /// The packet identifiers of all messages, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.entries(self.head).map(|entry| entry.id)
    }
}
