//! Publishing: through the outbox at QoS 1, or straight to the transmit buffer at QoS 0.

use super::connection::Phase;
use super::error::{Field, RequestError};
use super::types::{Label, PacketId, QoS, count};
use super::{Session, codec, field};

/// A message in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued<'s> {
    /// Its packet identifier.
    pub id: PacketId,
    /// Label that its owner gave it.
    pub label: Label,
    /// Its topic.
    pub topic: &'s str,
    /// Its payload.
    pub payload: &'s [u8],
    /// True if it was offered to a transport, on this connection or an earlier one.
    pub offered: bool,
}

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
        self.publish_labelled(topic, payload, Label::default())
    }

    /// As [`Session::publish`], with a label.
    ///
    /// # Errors
    /// As [`Session::publish`].
    pub fn publish_labelled(
        &mut self,
        topic: &str,
        payload: &[u8],
        label: Label,
    ) -> Result<PacketId, RequestError> {
        let queued = self.enqueue(topic, payload, label);
        count(match queued {
            Ok(_) => &mut self.statistics.queued,
            Err(_) => &mut self.statistics.refused,
        });
        queued
    }

    fn enqueue(
        &mut self,
        topic: &str,
        payload: &[u8],
        label: Label,
    ) -> Result<PacketId, RequestError> {
        field::topic(Field::Topic, topic)?;
        let size = codec::publish_size(topic, payload, QoS::AtLeastOnce)?;
        let packet_id = self.free_packet_id()?;
        let dropped = self.outbox.make_room(size, self.config.overflow)?;
        self.statistics.dropped = self.statistics.dropped.saturating_add(dropped);
        let packet = codec::publish(topic, payload, Some(packet_id))?;
        self.outbox.push(packet_id, &packet, label)?;
        self.next_packet_id = packet_id.next();
        Ok(packet_id)
    }

    /// The messages of the outbox, in the order of publishing.
    pub fn queued(&self) -> impl Iterator<Item = Queued<'_>> {
        self.outbox
            .all()
            .filter_map(|(id, label, packet, offered)| {
                let (topic, payload) = codec::parts(packet)?;
                Some(Queued {
                    id: PacketId::new(id)?,
                    label,
                    topic: core::str::from_utf8(packet.get(topic)?).ok()?,
                    payload: packet.get(payload)?,
                    offered,
                })
            })
    }

    /// Takes a message out of the outbox that was never offered to a transport. False if there is none with this
    /// identifier.
    pub fn withdraw(&mut self, id: PacketId) -> bool {
        self.outbox.withdraw(id.get())
    }

    /// Gives label and topic of each message that was never offered to `amend`, which may overwrite them.
    pub fn amend(&mut self, amend: &mut dyn FnMut(&mut Label, &mut [u8])) {
        self.outbox.amend(&mut |label, packet| {
            if let Some((topic, _)) = codec::parts(packet)
                && let Some(topic) = packet.get_mut(topic)
            {
                amend(label, topic);
            }
        });
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
