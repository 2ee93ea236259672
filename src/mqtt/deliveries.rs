//! QoS 1 messages from the server that were not acknowledged yet, in the order in which they came.
//!
//! PUBACKs go out in that order whatever the order of the application's acknowledgements (MQTT 3.1.1,
//! section 4.6). IoT Hub looks at the head of its queue only: a PUBACK out of order would have no effect
//! there, and the message would come again.

use super::types::PacketId;

/// Messages that may be unacknowledged at a time; 4 bytes each.
pub(super) const CAPACITY: usize = 16;

/// A bounded first-in, first-out queue.
pub(super) struct Deliveries {
    ring: [Option<Delivery>; CAPACITY],
    first: usize,
    count: usize,
}

#[derive(Clone, Copy)]
struct Delivery {
    packet_id: PacketId,
    acknowledged: bool,
}

impl Deliveries {
    pub(super) const fn new() -> Self {
        Self {
            ring: [None; CAPACITY],
            first: 0,
            count: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count == CAPACITY
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Messages whose PUBACK was not queued yet.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// A message came in. The caller has checked that there is room.
    pub(super) fn push(&mut self, packet_id: PacketId, acknowledged: bool) {
        let slot = (self.first + self.count) % CAPACITY;
        if let Some(slot) = self.ring.get_mut(slot).filter(|slot| slot.is_none()) {
            *slot = Some(Delivery {
                packet_id,
                acknowledged,
            });
            self.count += 1;
        }
    }

    /// The application has taken the message; false if no such message waits for that.
    pub(super) fn acknowledge(&mut self, packet_id: PacketId) -> bool {
        for offset in 0..self.count {
            let slot = self
                .ring
                .get_mut((self.first + offset) % CAPACITY)
                .and_then(Option::as_mut);
            if let Some(delivery) =
                slot.filter(|found| found.packet_id == packet_id && !found.acknowledged)
            {
                delivery.acknowledged = true;
                return true;
            }
        }
        false
    }

    /// The oldest message, if its PUBACK may go out.
    pub(super) fn ready(&self) -> Option<PacketId> {
        let oldest = self.ring.get(self.first).copied().flatten()?;
        oldest.acknowledged.then_some(oldest.packet_id)
    }

    /// The PUBACK of the oldest message has been queued.
    pub(super) fn pop(&mut self) {
        if let Some(slot) = self.ring.get_mut(self.first).filter(|slot| slot.is_some()) {
            *slot = None;
            self.first = (self.first + 1) % CAPACITY;
            self.count -= 1;
        }
    }
}
