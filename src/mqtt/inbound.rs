//! Received bytes: from bytes to packets that are checked.
//!
//! The fixed header is checked as soon as it is there, before the packet is complete. So a packet that is wrong, or
//! that does not fit, never waits for bytes that have no room. The checks that mqttbytes does not make are made here.

use bytes::Bytes;
use mqttbytes_nostd::{Error as CodecError, FixedHeader, check, v4};

use super::types::{AckToken, MAX_FILTERS, PacketId};
use super::violation::{PacketType, Violation};

/// A fixed header and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) packet_type: PacketType,
    flags: u8,
    /// Bytes of the fixed header: 2 to 5.
    length: usize,
    /// Bytes of the whole packet.
    pub(super) total: usize,
}

impl Header {
    /// A PUBLISH that will have to be acknowledged.
    pub(super) fn is_qos_1(self) -> bool {
        self.packet_type == PacketType::Publish && self.flags & 0b0110 == 0b0010
    }

    /// The header of a PUBLISH that ends where this one's payload starts.
    pub(super) const fn without_payload(self, payload_start: usize) -> Self {
        Self {
            total: payload_start,
            ..self
        }
    }
}

/// The type of a packet by its first byte, with its flags.
pub(super) fn packet_type(first: u8) -> Result<(PacketType, u8), Violation> {
    let packet_type = match first >> 4 {
        1 => PacketType::Connect,
        2 => PacketType::Connack,
        3 => PacketType::Publish,
        4 => PacketType::Puback,
        5 => PacketType::Pubrec,
        6 => PacketType::Pubrel,
        7 => PacketType::Pubcomp,
        8 => PacketType::Subscribe,
        9 => PacketType::Suback,
        10 => PacketType::Unsubscribe,
        11 => PacketType::Unsuback,
        12 => PacketType::Pingreq,
        13 => PacketType::Pingresp,
        14 => PacketType::Disconnect,
        reserved => return Err(Violation::ReservedType(reserved)),
    };
    Ok((packet_type, first & 0x0f))
}

/// Checks the start of a packet; `None` if the fixed header is not complete.
pub(super) fn header(bytes: &[u8], connecting: bool) -> Result<Option<Header>, Violation> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let (packet_type, flags) = packet_type(*first)?;
    check_order(packet_type, connecting)?;
    check_flags(packet_type, flags)?;
    let Some(remaining) = remaining_length(bytes)? else {
        return Ok(None);
    };
    check_length(packet_type, flags, remaining)?;
    let more = bytes
        .iter()
        .skip(1)
        .take_while(|byte| **byte & 0x80 != 0)
        .count();
    let length = 2 + more;
    Ok(Some(Header {
        packet_type,
        flags,
        length,
        total: length + remaining,
    }))
}

/// Only what a server may send, CONNACK first and once (MQTT 3.1.1, sections 2.2.1 and 3.2).
fn check_order(packet_type: PacketType, connecting: bool) -> Result<(), Violation> {
    match packet_type {
        PacketType::Connack if connecting => Ok(()),
        PacketType::Connack => Err(Violation::SecondConnack),
        PacketType::Publish
        | PacketType::Puback
        | PacketType::Suback
        | PacketType::Unsuback
        | PacketType::Pingresp => match connecting {
            true => Err(Violation::BeforeConnack(packet_type)),
            false => Ok(()),
        },
        _ => Err(Violation::Unexpected(packet_type)),
    }
}

/// MQTT 3.1.1, sections 2.2.2 and 3.3.1.
fn check_flags(packet_type: PacketType, flags: u8) -> Result<(), Violation> {
    if packet_type != PacketType::Publish {
        return match flags {
            0 => Ok(()),
            _ => Err(Violation::Flags(packet_type, flags)),
        };
    }
    match (flags >> 1) & 0b11 {
        0 if flags & 0b1000 != 0 => Err(Violation::DupAtQoS0),
        0 | 1 => Ok(()),
        qos => Err(Violation::QoS(qos)),
    }
}

/// The remaining length; `None` if the field is not complete.
fn remaining_length(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    // With a limit of 0, the codec tells the length in its error, as soon as it knows it.
    match check(bytes.iter(), 0) {
        Ok(_) => Ok(Some(0)),
        Err(CodecError::PayloadSizeLimitExceeded(length)) => Ok(Some(length)),
        Err(CodecError::InsufficientBytes(_)) => Ok(None),
        Err(_) => Err(Violation::RemainingLength),
    }
}

/// A packet of an impossible length is refused before it is waited for.
fn check_length(packet_type: PacketType, flags: u8, remaining: usize) -> Result<(), Violation> {
    let possible = match packet_type {
        PacketType::Connack | PacketType::Puback | PacketType::Unsuback => remaining == 2,
        PacketType::Suback => (3..=2 + MAX_FILTERS).contains(&remaining),
        PacketType::Publish => remaining >= if flags & 0b0110 == 0 { 3 } else { 5 },
        _ => remaining == 0,
    };
    match possible {
        true => Ok(()),
        false => Err(Violation::Length(packet_type, remaining)),
    }
}

/// Packets that a server sends, CONNACK excepted.
pub(super) enum Packet {
    Publish(v4::Publish),
    Puback(v4::PubAck),
    Suback(v4::SubAck),
    Unsuback(v4::UnsubAck),
    Pingresp,
}

/// Decodes the bytes of one complete packet, CONNACK excepted. The heap holds a copy of it meanwhile.
///
/// The packet's own reader is called instead of [`v4::read`], which would bring along those of the packets
/// that only a client sends.
pub(super) fn decode(header: Header, bytes: &[u8]) -> Result<Packet, Violation> {
    let kind = header.packet_type;
    let first = bytes.first().copied().unwrap_or_default();
    let fixed = FixedHeader::new(first, header.length - 1, header.total - header.length);
    let copy = Bytes::copy_from_slice(bytes);
    let failed = |error| violation(kind, error);
    let (packet, id) = match kind {
        PacketType::Publish => {
            let publish = v4::Publish::read(fixed, copy).map_err(failed)?;
            check_topic(&publish.topic)?;
            return Ok(Packet::Publish(publish));
        }
        PacketType::Puback => {
            let puback = v4::PubAck::read(fixed, copy).map_err(failed)?;
            let id = puback.pkid;
            (Packet::Puback(puback), id)
        }
        PacketType::Suback => {
            let suback = v4::SubAck::read(fixed, copy).map_err(failed)?;
            let id = suback.pkid;
            (Packet::Suback(suback), id)
        }
        PacketType::Unsuback => {
            let unsuback = v4::UnsubAck::read(fixed, copy).map_err(failed)?;
            let id = unsuback.pkid;
            (Packet::Unsuback(unsuback), id)
        }
        PacketType::Pingresp => return Ok(Packet::Pingresp),
        _ => return Err(Violation::Unexpected(kind)),
    };
    match id {
        0 => Err(Violation::PacketIdZero(kind)),
        _ => Ok(packet),
    }
}

fn violation(packet_type: PacketType, error: CodecError) -> Violation {
    match error {
        CodecError::TopicNotUtf8 => Violation::TopicNotUtf8,
        CodecError::PacketIdZero => Violation::PacketIdZero(packet_type),
        CodecError::InvalidSubscribeReasonCode(code) => Violation::SubackCode(code),
        _ => Violation::Malformed(packet_type),
    }
}

/// MQTT 3.1.1, sections 1.5.3, 3.3.2.1 and 4.7.3.
fn check_topic(topic: &str) -> Result<(), Violation> {
    if topic.is_empty() {
        Err(Violation::TopicEmpty)
    } else if topic.as_bytes().contains(&b'\0') {
        Err(Violation::TopicNul)
    } else if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        Err(Violation::TopicWildcard)
    } else {
        Ok(())
    }
}

/// Bytes of a PUBLISH before its payload; `None` if the length of the topic is not there yet.
pub(super) fn payload_start(header: Header, bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let Some([high, low]) = bytes
        .get(header.length..)
        .and_then(|rest| rest.first_chunk::<2>())
    else {
        return Ok(None);
    };
    let topic = usize::from(u16::from_be_bytes([*high, *low]));
    if topic == 0 {
        return Err(Violation::TopicEmpty);
    }
    let start = header.length + 2 + topic + if header.is_qos_1() { 2 } else { 0 };
    match start <= header.total {
        true => Ok(Some(start)),
        false => Err(Violation::Malformed(PacketType::Publish)),
    }
}

/// A PUBLISH whose payload does not fit the receive buffer, once its start has been read: the payload is
/// given out in pieces.
pub(super) struct Pieces {
    /// Bytes of the payload that were not given out, those of the piece that is out included.
    left: usize,
    /// Bytes of the piece that is out. They are at the start of the receive buffer.
    out: usize,
    pub(super) ack: Option<AckToken>,
}

impl Pieces {
    pub(super) const fn new(payload: usize, ack: Option<AckToken>) -> Self {
        Self {
            left: payload,
            out: 0,
            ack,
        }
    }

    /// Bytes of the piece that is out.
    pub(super) const fn out(&self) -> usize {
        self.out
    }

    /// Ends the piece that is out; gives its size.
    pub(super) fn done(&mut self) -> usize {
        self.left -= self.out;
        core::mem::take(&mut self.out)
    }

    /// Gives out the next piece, of so many bytes that are there: false if there are none.
    pub(super) fn give(&mut self, available: usize) -> bool {
        self.out = available.min(self.left);
        self.out > 0
    }

    /// The whole payload was given out.
    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// A PUBLISH whose topic does not fit the receive buffer: it is walked through, and only its packet identifier
/// is kept.
pub(super) struct Skip {
    header: Header,
    position: usize,
    /// Byte offset in the packet at which the packet identifier starts; `None` at QoS 0.
    id_at: Option<usize>,
    id: [u8; 2],
}

impl Skip {
    /// Begins a packet whose payload starts there.
    pub(super) fn new(header: Header, payload_start: usize) -> Self {
        Self {
            header,
            position: 0,
            id_at: header.is_qos_1().then(|| payload_start - 2),
            id: [0; 2],
        }
    }

    /// Walks on; gives how many of `bytes` belong to the packet.
    pub(super) fn walk(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.header.total - self.position);
        if let Some(id_at) = self.id_at {
            for (offset, byte) in self.id.iter_mut().enumerate() {
                let found = (id_at + offset)
                    .checked_sub(self.position)
                    .filter(|at| *at < taken);
                if let Some(found) = found.and_then(|at| bytes.get(at)) {
                    *byte = *found;
                }
            }
        }
        self.position += taken;
        taken
    }

    /// The packet has passed.
    pub(super) fn is_done(&self) -> bool {
        self.position == self.header.total
    }

    /// Size of the packet in bytes.
    pub(super) fn size(&self) -> usize {
        self.header.total
    }

    /// Once it is done: what to acknowledge, if anything.
    pub(super) fn packet_id(&self) -> Result<Option<PacketId>, Violation> {
        match self.id_at {
            None => Ok(None),
            Some(_) => match PacketId::new(u16::from_be_bytes(self.id)) {
                Some(packet_id) => Ok(Some(packet_id)),
                None => Err(Violation::PacketIdZero(PacketType::Publish)),
            },
        }
    }
}
