//! The messages that wait for one device: a state machine without I/O and without a clock.
//!
//! Enqueued → delivered and invisible → completed by PUBACK; back to enqueued when the lock times out or
//! the connection ends; dead-lettered when its time or its deliveries run out ("Send cloud-to-device
//! messages from an IoT hub"). Reject and abandon are for HTTP only, where each receiver has a lock of its own. Every unlock counts as a used-up
//! delivery.
//!
//! PUBACKs are matched against the oldest delivery of the connection only; one out of order is ignored, and
//! its message is delivered again when its lock times out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::message::{Message, Outcome};

/// Names one connection of one device.
pub(crate) type ConnectionId = u64;

/// A message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Counts up by one for each message to this device, and never again.
    pub(crate) sequence: u64,
    /// Message that was sent.
    pub(crate) message: Message,
    /// Time at which it expires, in milliseconds since 1970.
    pub(crate) expiry: u64,
    /// Time at which it was sent, in milliseconds since 1970; 0 if that was not kept.
    #[serde(default)]
    pub(crate) enqueued: u64,
    /// Number of its deliveries.
    #[serde(skip)]
    pub(crate) deliveries: u32,
    #[serde(skip)]
    lock: Option<Lock>,
}

impl Entry {
    /// The packet identifier of all its deliveries: MQTT 3.1.1, section 4.4, wants redeliveries to keep it.
    /// From 1 to 32767; the queue is far shorter, so that no two waiting messages share one.
    pub(crate) fn packet_id(&self) -> u16 {
        u16::try_from(self.sequence % 0x7fff + 1).unwrap_or(1)
    }
}

/// A delivery that was not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lock {
    connection: ConnectionId,
    /// Time at which it times out, in milliseconds since 1970.
    until: u64,
    /// Orders the deliveries.
    delivery: u64,
}

/// Outcome for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The message, which is no longer in the queue.
    pub(crate) entry: Entry,
    /// Its outcome.
    pub(crate) outcome: Outcome,
}

/// Effect of a PUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// It completed this message.
    Completed(Box<Settled>),
    /// It was not for the oldest delivery, which has this packet identifier; nothing happened.
    OutOfOrder(u16),
    /// Nothing was delivered and not acknowledged yet.
    Nothing,
}

/// The limits that a queue keeps to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// Messages that may wait.
    pub(crate) depth: usize,
    /// Milliseconds that a delivery may stay unacknowledged.
    pub(crate) lock: u64,
    /// Deliveries of one message.
    pub(crate) max_deliveries: u32,
}

/// The messages that wait for one device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    next_sequence: u64,
    next_delivery: u64,
}

impl Queue {
    /// A queue as it was kept: `entries` in order of their sequence.
    pub(crate) fn restore(entries: Vec<Entry>, next_sequence: u64) -> Self {
        Self {
            entries: entries.into(),
            next_sequence,
            next_delivery: 0,
        }
    }

    /// Messages that wait, delivered ones included.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry that a message would become; `None` if the queue is full. [`Self::push`] completes it.
    pub(crate) fn prepare(
        &self,
        message: Message,
        expiry: u64,
        now: u64,
        limits: QueueLimits,
    ) -> Option<Entry> {
        (self.entries.len() < limits.depth).then_some(Entry {
            sequence: self.next_sequence,
            message,
            expiry,
            enqueued: now,
            deliveries: 0,
            lock: None,
        })
    }

    /// Appends what [`Self::prepare`] gave.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.next_sequence = entry.sequence + 1;
        self.entries.push_back(entry);
    }

    /// Delivers the first message that waits to `connection`, and locks it.
    pub(crate) fn deliver(
        &mut self,
        connection: ConnectionId,
        now: u64,
        limits: QueueLimits,
    ) -> Option<&Entry> {
        let delivery = self.next_delivery;
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.lock.is_none() && entry.expiry > now)?;
        self.next_delivery += 1;
        entry.deliveries += 1;
        entry.lock = Some(Lock {
            connection,
            until: now.saturating_add(limits.lock),
            delivery,
        });
        Some(entry)
    }

    /// Takes a message out that was delivered with QoS 0, right after [`Self::deliver`].
    pub(crate) fn complete_unacknowledged(&mut self, sequence: u64) -> Option<Settled> {
        let position = self
            .entries
            .iter()
            .position(|entry| entry.sequence == sequence)?;
        self.settle(position, Outcome::Success)
    }

    /// A PUBACK from `connection`.
    pub(crate) fn acknowledge(&mut self, connection: ConnectionId, packet_id: u16) -> Acknowledged {
        let of_connection = |entry: &Entry| entry.lock.filter(|lock| lock.connection == connection);
        let oldest = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(position, entry)| {
                Some((of_connection(entry)?.delivery, position, entry.packet_id()))
            })
            .min();
        match oldest {
            None => Acknowledged::Nothing,
            Some((_, _, head)) if head != packet_id => Acknowledged::OutOfOrder(head),
            Some((_, position, _)) => match self.settle(position, Outcome::Success) {
                Some(settled) => Acknowledged::Completed(Box::new(settled)),
                None => Acknowledged::Nothing,
            },
        }
    }

    /// Takes out the one message that is locked for a receiver over HTTP; `None` if the lock is gone.
    pub(crate) fn settle_locked(
        &mut self,
        receiver: ConnectionId,
        outcome: Outcome,
    ) -> Option<Settled> {
        let position = self.position_locked(receiver)?;
        self.settle(position, outcome)
    }

    /// True if a message is locked for this connection or receiver.
    pub(crate) fn is_locked(&self, receiver: ConnectionId) -> bool {
        self.position_locked(receiver).is_some()
    }

    fn position_locked(&self, receiver: ConnectionId) -> Option<usize> {
        let locked = |entry: &Entry| entry.lock.is_some_and(|lock| lock.connection == receiver);
        self.entries.iter().position(locked)
    }

    /// The connection ended: what it did not acknowledge waits again.
    pub(crate) fn release(
        &mut self,
        connection: ConnectionId,
        limits: QueueLimits,
    ) -> Vec<Settled> {
        self.unlock(limits, |lock| lock.connection == connection)
    }

    /// Time passed: locks time out, messages expire.
    pub(crate) fn tick(&mut self, now: u64, limits: QueueLimits) -> Vec<Settled> {
        let mut settled = self.unlock(limits, |lock| lock.until <= now);
        settled
            .extend(self.settle_where(Outcome::Expired, |e| e.lock.is_none() && e.expiry <= now));
        settled
    }

    /// Time at which [`Self::tick`] has something to do, in milliseconds since 1970.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.entries
            .iter()
            .map(|entry| entry.lock.map_or(entry.expiry, |lock| lock.until))
            .min()
    }

    /// Discards every message.
    pub(crate) fn purge(&mut self) -> Vec<Settled> {
        self.settle_where(Outcome::Purged, |_| true)
    }

    fn unlock(&mut self, limits: QueueLimits, which: impl Fn(Lock) -> bool) -> Vec<Settled> {
        let mut spent = Vec::new();
        for entry in &mut self.entries {
            if entry.lock.is_some_and(&which) {
                entry.lock = None;
                if entry.deliveries >= limits.max_deliveries {
                    spent.push(entry.sequence);
                }
            }
        }
        self.settle_where(Outcome::DeliveryCountExceeded, |entry| {
            spent.contains(&entry.sequence)
        })
    }

    fn settle_where(&mut self, outcome: Outcome, which: impl Fn(&Entry) -> bool) -> Vec<Settled> {
        let (gone, kept) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(which);
        self.entries = kept;
        let gone: VecDeque<Entry> = gone;
        gone.into_iter()
            .map(|entry| Settled { entry, outcome })
            .collect()
    }

    fn settle(&mut self, position: usize, outcome: Outcome) -> Option<Settled> {
        self.entries
            .remove(position)
            .map(|entry| Settled { entry, outcome })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
