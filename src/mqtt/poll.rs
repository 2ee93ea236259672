//! One event at a time from what the server sent, then the timers.

use mqttbytes_nostd::v4;

use super::Session;
use super::connection::Phase;
use super::error::{ConnectReturnCode, Error};
use super::inbound::{self, Header, Packet, Pieces, Skip};
use super::outbox::Removal;
use super::types::{AckToken, Event, Message, PacketId, count};
use super::violation::{PacketType, Violation};
use crate::time::Instant;

/// Outcome for the next bytes.
enum Step {
    /// Something to tell.
    Event(Event),
    /// A packet was consumed; there may be more.
    Again,
    /// More bytes are needed.
    Wait,
    /// The next packet waits until a message is acknowledged.
    Blocked,
}

impl Session<'_> {
    /// Buffer for bytes from the transport. Write to it, then call [`received`](Self::received).
    ///
    /// It is empty while no connection is open, and when it is full: then [`poll`](Self::poll) has events,
    /// or waits until a message is acknowledged. Do not read from the transport meanwhile.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        match self.connection.phase {
            Phase::Closed => &mut [],
            _ => self.receive_buffer.space(),
        }
    }

    /// `n` bytes were written to the start of [`receive_buffer`](Self::receive_buffer). The end of the
    /// stream (a read of 0 bytes) is for [`disconnected`](Self::disconnected) instead.
    pub fn received(&mut self, n: usize, now: Instant) {
        if n > 0 && self.connection.phase != Phase::Closed {
            self.receive_buffer.fill(n);
            self.connection.keepalive.received(now);
        }
    }

    /// The next event, in the order in which the server sent them; `None` when there is nothing to tell
    /// now. Call it until then after every [`received`](Self::received), and when
    /// [`deadline`](Self::deadline) has come; afterwards there may be something to
    /// [`transmit`](Self::transmit).
    ///
    /// # Errors
    /// The connection is over: close the transport. The outbox is kept for the next one.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Event>, Error> {
        if self.connection.phase == Phase::Closed {
            return Ok(None);
        }
        let outcome = self.advance(now);
        if outcome.is_err() {
            self.disconnected();
        }
        outcome
    }

    /// The bytes of an [`Event::Piece`], until the next [`poll`](Self::poll); else none.
    pub fn piece(&self) -> &[u8] {
        let out = self.connection.pieces.as_ref().map_or(0, Pieces::out);
        self.receive_buffer.pending().get(..out).unwrap_or_default()
    }

    /// The application has taken this message, and the server may forget it. PUBACKs go out in the order
    /// of the messages: one that is not acknowledged holds up those after it.
    ///
    /// Has no effect for a message of an earlier connection, which the server will deliver again.
    pub fn acknowledge(&mut self, token: AckToken) {
        let current =
            token.connection == self.connection.number && self.connection.phase != Phase::Closed;
        if !current || !self.connection.deliveries.acknowledge(token.packet_id) {
            count(&mut self.statistics.stale_acknowledgements);
        }
    }

    fn advance(&mut self, now: Instant) -> Result<Option<Event>, Error> {
        if self.connection.blocked {
            // Time during which nothing could be heard does not count against the server.
            self.connection.blocked = false;
            self.connection.keepalive.received(now);
            self.connection.oldest_since = now;
            self.connection.requests.stamp(now, true);
        }
        loop {
            match self.step(now)? {
                Step::Event(event) => return Ok(Some(event)),
                Step::Again => {}
                Step::Wait => break,
                Step::Blocked => {
                    self.connection.blocked = true;
                    break;
                }
            }
        }
        self.connection.requests.stamp(now, false);
        self.check_timers(now)?;
        Ok(None)
    }

    fn step(&mut self, now: Instant) -> Result<Step, Error> {
        if let Some(skip) = &mut self.connection.skip {
            let passed = skip.walk(self.receive_buffer.pending());
            let (done, size, packet_id) = (skip.is_done(), skip.size(), skip.packet_id());
            self.receive_buffer.consume(passed);
            return match done {
                true => Ok(self.skipped(size, packet_id?)),
                false => Ok(Step::Wait),
            };
        }
        if self.connection.pieces.is_some() {
            return Ok(self.next_piece());
        }
        let connecting = matches!(self.connection.phase, Phase::Connecting { .. });
        let bytes = self.receive_buffer.pending();
        let Some(header) = inbound::header(bytes, connecting)? else {
            return Ok(Step::Wait);
        };
        if header.is_qos_1() && self.connection.deliveries.is_full() {
            return Ok(Step::Blocked);
        }
        if header.total > self.receive_buffer.size() {
            return self.large(header);
        }
        match bytes.get(..header.total) {
            Some(_) => self.packet(header, now),
            None => Ok(Step::Wait),
        }
    }

    /// A PUBLISH begins that does not fit the receive buffer.
    fn large(&mut self, header: Header) -> Result<Step, Error> {
        let bytes = self.receive_buffer.pending();
        let Some(start) = inbound::payload_start(header, bytes)? else {
            return Ok(Step::Wait);
        };
        if start > self.receive_buffer.size() {
            self.connection.skip = Some(Skip::new(header, start));
            return Ok(Step::Again);
        }
        let Some(bytes) = bytes.get(..start) else {
            return Ok(Step::Wait);
        };
        let packet = inbound::decode(header.without_payload(start), bytes);
        self.receive_buffer.consume(start);
        let Packet::Publish(publish) = packet? else {
            return Err(Violation::Malformed(PacketType::Publish).into());
        };
        let message = self.message(publish);
        self.connection.pieces = Some(Pieces::new(header.total - start, message.ack()));
        Ok(Step::Event(Event::LargeMessage {
            message,
            size: header.total,
        }))
    }

    /// The payload of a large message goes on.
    fn next_piece(&mut self) -> Step {
        let Some(pieces) = &mut self.connection.pieces else {
            return Step::Again;
        };
        self.receive_buffer.consume(pieces.done());
        if pieces.is_done() {
            let ack = pieces.ack;
            self.connection.pieces = None;
            return Step::Event(Event::LargeMessageEnd { ack });
        }
        match pieces.give(self.receive_buffer.pending().len()) {
            true => Step::Event(Event::Piece),
            false => Step::Wait,
        }
    }

    fn skipped(&mut self, size: usize, packet_id: Option<PacketId>) -> Step {
        self.connection.skip = None;
        if let Some(packet_id) = packet_id {
            self.connection.deliveries.push(packet_id, true);
        }
        count(&mut self.statistics.too_large);
        Step::Event(Event::MessageTooLarge { size })
    }

    /// A complete packet is at the start of the receive buffer.
    fn packet(&mut self, header: Header, now: Instant) -> Result<Step, Error> {
        let bytes = self
            .receive_buffer
            .pending()
            .get(..header.total)
            .unwrap_or_default();
        if header.packet_type == PacketType::Connack {
            let fields = bytes.last_chunk::<2>().copied();
            self.receive_buffer.consume(header.total);
            let [flags, code] = fields.ok_or(Violation::Malformed(PacketType::Connack))?;
            let left = matches!(self.connection.phase, Phase::Connecting { left: true, .. });
            let event = self.on_connack(flags, code)?;
            if left {
                self.connection.phase = Phase::Left;
                return Ok(Step::Again);
            }
            return Ok(Step::Event(event));
        }
        let packet = inbound::decode(header, bytes);
        self.receive_buffer.consume(header.total);
        Ok(match packet? {
            Packet::Publish(publish) => Step::Event(Event::Message(self.message(publish))),
            Packet::Puback(puback) => self.on_puback(&puback, now),
            Packet::Suback(suback) => Step::Event(self.on_suback(&suback)?),
            Packet::Unsuback(unsuback) => Step::Event(self.on_unsuback(&unsuback)?),
            Packet::Pingresp if self.connection.keepalive.answered() => Step::Again,
            Packet::Pingresp => return Err(Violation::UnaskedPingresp.into()),
        })
    }

    /// MQTT 3.1.1, section 3.2.2.
    fn on_connack(&mut self, flags: u8, code: u8) -> Result<Event, Error> {
        let refusal = match code {
            0 => None,
            1 => Some(ConnectReturnCode::UnacceptableProtocolVersion),
            2 => Some(ConnectReturnCode::IdentifierRejected),
            3 => Some(ConnectReturnCode::ServerUnavailable),
            4 => Some(ConnectReturnCode::BadUserNameOrPassword),
            5 => Some(ConnectReturnCode::NotAuthorized),
            reserved => Some(ConnectReturnCode::Reserved(reserved)),
        };
        if let Some(code) = refusal {
            return Err(Error::Refused(code));
        }
        let session_present = match flags {
            0 => false,
            1 if self.connection.clean_session => return Err(Violation::SessionPresent.into()),
            1 => true,
            _ => return Err(Violation::ConnackFlags(flags).into()),
        };
        self.connection.phase = Phase::Connected;
        count(&mut self.statistics.connections);
        Ok(Event::Connected { session_present })
    }

    /// A message for the application.
    fn message(&mut self, publish: v4::Publish) -> Message {
        let ack = PacketId::new(publish.pkid).map(|packet_id| {
            self.connection.deliveries.push(packet_id, false);
            AckToken {
                connection: self.connection.number,
                packet_id,
            }
        });
        count(&mut self.statistics.received);
        if publish.dup {
            count(&mut self.statistics.duplicates);
        }
        Message::new(publish, ack)
    }

    fn on_puback(&mut self, puback: &v4::PubAck, now: Instant) -> Step {
        let removal = PacketId::new(puback.pkid).map(|id| (id, self.outbox.acknowledge(id)));
        let Some((packet_id, removal @ (Removal::Oldest | Removal::Later))) = removal else {
            count(&mut self.statistics.unexpected_pubacks);
            return Step::Again;
        };
        if removal == Removal::Oldest {
            self.connection.oldest_since = now;
        }
        count(&mut self.statistics.acknowledged);
        Step::Event(Event::Published(packet_id))
    }
}
