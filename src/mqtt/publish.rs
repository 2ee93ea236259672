//! Publishing: through the outbox at QoS 1, or straight to the transmit buffer at QoS 0.

use super::connection::Phase;
use super::error::{Field, RequestError};
use super::types::{PacketId, QoS, count};
use super::{Session, codec, field};

impl Session<'_> {
    /// Puts a QoS 1 message into the outbox, connected or not. [`Event::Published`](super::Event) with its
    /// identifier says that the server has it; until then it is kept, and sent again on new connections.
    ///
    /// If there is no room, the configured [`OverflowPolicy`](super::OverflowPolicy) decides.
    ///
    /// # Errors
    /// [`RequestError::Field`], [`RequestError::TooLarge`], [`RequestError::OutboxFull`] and
    /// [`RequestError::NoPacketId`]; the message was not taken.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> Result<PacketId, RequestError> {
        let queued = self.enqueue(topic, payload);
        count(match queued {
            Ok(_) => &mut self.statistics.queued,
            Err(_) => &mut self.statistics.refused,
        });
        queued
    }

    fn enqueue(&mut self, topic: &str, payload: &[u8]) -> Result<PacketId, RequestError> {
        field::topic(Field::Topic, topic)?;
        let size = codec::publish_size(topic, payload, QoS::AtLeastOnce)?;
        let packet_id = self.free_packet_id()?;
        let dropped = self.outbox.make_room(size, self.config.overflow)?;
        self.statistics.dropped = self.statistics.dropped.saturating_add(dropped);
        self.outbox
            .push(packet_id, &codec::publish(topic, payload, Some(packet_id))?)?;
        self.next_packet_id = packet_id.next();
        Ok(packet_id)
    }

    /// Sends a QoS 0 message on this connection: for requests that make no sense on the next one, such as
    /// reading the twin. It is lost if the connection ends first.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::Field`], [`RequestError::TooLarge`] and
    /// [`RequestError::TransmitBufferFull`].
    pub fn publish_now(&mut self, topic: &str, payload: &[u8]) -> Result<(), RequestError> {
        self.require_connected()?;
        field::topic(Field::Topic, topic)?;
        self.transmit_buffer
            .room(codec::publish_size(topic, payload, QoS::AtMostOnce)?)?;
        self.transmit_buffer
            .push(&codec::publish(topic, payload, None)?)
    }

    pub(super) fn require_connected(&self) -> Result<(), RequestError> {
        match self.connection.phase {
            Phase::Connected => Ok(()),
            _ => Err(RequestError::NotConnected),
        }
    }

    /// An identifier that neither the outbox nor an unanswered request uses. The caller then moves
    /// `next_packet_id` behind it.
    pub(super) fn free_packet_id(&self) -> Result<PacketId, RequestError> {
        let used = self.outbox.count() + self.connection.requests.count();
        if used >= usize::from(u16::MAX) {
            return Err(RequestError::NoPacketId);
        }
        // They are all different: among one more candidates than are used, one is free.
        let mut candidate = self.next_packet_id;
        for _ in 0..=used {
            if !self.outbox.contains(candidate) && !self.connection.requests.contains(candidate) {
                return Ok(candidate);
            }
            candidate = candidate.next();
        }
        Err(RequestError::NoPacketId)
    }
}
