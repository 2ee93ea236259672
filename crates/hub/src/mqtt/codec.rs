//! MQTT 3.1.1 packets: read strictly, written plainly.
//!
//! Bytes become fields by `mqtt-protocol-core`; what that crate leaves to its callers (flags of the fixed
//! header, reserved bits, trailing bytes, packet identifier 0, U+0000) is checked here, since IoT Hub
//! closes the connection over each of them.

pub(crate) mod client;
pub(crate) mod encode;

use std::fmt;

use bytes::{Buf, BytesMut};
use mqtt_protocol_core::mqtt::Arc;
use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1 as wire};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::story::PublishFacts;

/// Bytes after the fixed header that a packet may have: a message of 256 KB, a topic of 64 KB, a little
/// else. CONNECT with all five fields at their largest would be a little more; none is.
const MAX_REMAINING_LENGTH: usize = 262_144 + 65_535 + 16;

/// Packets that a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNECT.
    Connect(Box<Connect>),
    /// PUBLISH with QoS 0 or 1.
    Publish(Publish),
    /// PUBACK of this packet identifier.
    Puback(u16),
    /// SUBSCRIBE: packet identifier, and filters with the requested QoS (0 to 2).
    Subscribe(u16, Vec<(String, u8)>),
    /// UNSUBSCRIBE: packet identifier and filters.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ.
    Pingreq,
    /// DISCONNECT.
    Disconnect,
}

impl Packet {
    /// Its name in the specification.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Publish(_) => "PUBLISH",
            Self::Puback(_) => "PUBACK",
            Self::Subscribe(..) => "SUBSCRIBE",
            Self::Unsubscribe(..) => "UNSUBSCRIBE",
            Self::Pingreq => "PINGREQ",
            Self::Disconnect => "DISCONNECT",
        }
    }
}

/// The fields of CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Drop what was kept of earlier connections.
    pub(crate) clean_session: bool,
    /// Seconds; 0 asks for none.
    pub(crate) keep_alive: u16,
    /// The client id.
    pub(crate) client_id: String,
    /// The user name; absent and empty are the same to the hub.
    pub(crate) user_name: String,
    /// The password; absent and empty are the same to the hub.
    pub(crate) password: Vec<u8>,
    /// The last will.
    pub(crate) will: Option<Publish>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("password", &"[redacted]")
            .finish_non_exhaustive()
    }
}

/// An application message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// The topic name.
    pub(crate) topic: String,
    /// The payload.
    pub(crate) payload: Vec<u8>,
    /// With QoS 1; `None` with QoS 0, and for a will.
    pub(crate) packet_id: Option<u16>,
    /// The DUP flag.
    pub(crate) dup: bool,
    /// The RETAIN flag.
    pub(crate) retain: bool,
}

impl Publish {
    /// Parts of it for people.
    pub(crate) const fn facts(&self) -> PublishFacts {
        PublishFacts {
            bytes: self.payload.len(),
            packet_id: self.packet_id,
            dup: self.dup,
            retain: self.retain,
        }
    }
}

/// Reason why bytes are no packet that IoT Hub takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Malformed {
    /// The remaining length has more than four bytes.
    Length,
    /// The packet is longer than any that the hub takes; this is its remaining length.
    TooLong(usize),
    /// Packet type 0 or 15, or one that only a server sends.
    Type(u8),
    /// The flags of the fixed header are not those of the type.
    Flags(&'static str),
    /// QoS 2, which IoT Hub does not have.
    Qos2,
    /// The variable header or payload is not what the type asks for.
    Body(&'static str, MqttError),
    /// CONNECT names another protocol, of this level.
    Protocol(u8),
    /// Another field is wrong.
    Field(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a remaining length of more than four bytes"),
            Self::TooLong(length) => {
                write!(
                    f,
                    "a packet of {length} bytes; at most {MAX_REMAINING_LENGTH} are taken"
                )
            }
            Self::Type(kind) => write!(f, "packet type {kind}, which no client may send"),
            Self::Flags(name) => write!(f, "wrong flags in the fixed header of {name}"),
            Self::Qos2 => f.write_str("QoS 2, which IoT Hub does not have"),
            Self::Body(name, error) => write!(f, "a malformed {name} ({error})"),
            Self::Protocol(5) => f.write_str(
                "it speaks MQTT 5; this hub has MQTT 3.1.1: set the client's protocol version to 3.1.1 (level 4)",
            ),
            Self::Protocol(3) => f.write_str(
                "it speaks MQTT 3.1; this hub has MQTT 3.1.1: set the client's protocol version to 3.1.1 (level 4)",
            ),
            Self::Protocol(level) => {
                write!(f, "CONNECT for a protocol of level {level}; this hub has MQTT 3.1.1 (level 4)")
            }
            Self::Field(what) => f.write_str(what),
        }
    }
}

/// Takes one packet off the front of `buffer`; `None` if it is not complete yet.
pub(crate) fn decode(buffer: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
    let Some((first, length, header)) = fixed_header(buffer)? else {
        return Ok(None);
    };
    if buffer.len() < header + length {
        return Ok(None);
    }
    let packet = parse(
        first,
        buffer.get(header..header + length).unwrap_or_default(),
    );
    buffer.advance(header + length);
    packet.map(Some)
}

/// The first byte, the remaining length, and the bytes that both take.
fn fixed_header(buffer: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    check_flags(first)?;
    let Some((length, size)) = remaining_length(rest)? else {
        return Ok(None);
    };
    if length > MAX_REMAINING_LENGTH {
        return Err(Malformed::TooLong(length));
    }
    Ok(Some((first, length, 1 + size)))
}

/// The remaining length that `bytes` begin with, and the bytes that it takes (section 2.2.3); `None` if it is not
/// complete yet.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0;
    for (position, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(Some((length, position + 1)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(Malformed::Length)
    }
}

/// Section 2.2.2 of MQTT 3.1.1, judged as soon as the first byte is there.
fn check_flags(first: u8) -> Result<(), Malformed> {
    let flags = first & 0x0f;
    let (name, wanted) = match first >> 4 {
        1 => ("CONNECT", 0),
        3 => {
            return if flags & 0b0110 == 0b0110 {
                Err(Malformed::Flags("PUBLISH"))
            } else {
                Ok(())
            };
        }
        4 => ("PUBACK", 0),
        5..=7 => return Err(Malformed::Qos2),
        8 => ("SUBSCRIBE", 2),
        10 => ("UNSUBSCRIBE", 2),
        12 => ("PINGREQ", 0),
        14 => ("DISCONNECT", 0),
        other => return Err(Malformed::Type(other)),
    };
    if flags == wanted {
        Ok(())
    } else {
        Err(Malformed::Flags(name))
    }
}

fn parse(first: u8, body: &[u8]) -> Result<Packet, Malformed> {
    match first >> 4 {
        1 => connect(body).map(|connect| Packet::Connect(Box::new(connect))),
        3 => publish(first & 0x0f, body).map(Packet::Publish),
        4 => {
            let (packet, length) =
                wire::Puback::parse(body).map_err(|e| Malformed::Body("PUBACK", e))?;
            whole(length, body)?;
            if length != 2 {
                return Err(Malformed::Field("a PUBACK that is longer than two bytes"));
            }
            Ok(Packet::Puback(packet.packet_id()))
        }
        8 => subscribe(body),
        10 => unsubscribe(body),
        12 if body.is_empty() => Ok(Packet::Pingreq),
        14 if body.is_empty() => Ok(Packet::Disconnect),
        12 | 14 => Err(Malformed::Field("a packet without contents that has some")),
        other => Err(Malformed::Type(other)),
    }
}

fn whole(consumed: usize, body: &[u8]) -> Result<(), Malformed> {
    if consumed == body.len() {
        Ok(())
    } else {
        Err(Malformed::Field("bytes after the end of a packet"))
    }
}

/// U+0000 must not occur in strings (section 1.5.3).
fn text(text: &str) -> Result<String, Malformed> {
    if text.contains('\0') {
        return Err(Malformed::Field("a string with U+0000"));
    }
    Ok(text.to_owned())
}

fn packet_id(id: u16) -> Result<u16, Malformed> {
    if id == 0 {
        Err(Malformed::Field("packet identifier 0"))
    } else {
        Ok(id)
    }
}

/// Protocol name and level (section 3.1.2); what is too short for them is left to the parser.
fn check_protocol(body: &[u8]) -> Result<(), Malformed> {
    let name = body.first_chunk().and_then(|length| {
        body.get(2..)?
            .get(..usize::from(u16::from_be_bytes(*length)))
    });
    let level = name.and_then(|name| body.get(2 + name.len()));
    match (name, level) {
        (Some(b"MQTT"), Some(4)) | (_, None) | (None, _) => Ok(()),
        (Some(_), Some(level)) => Err(Malformed::Protocol(*level)),
    }
}

fn connect(body: &[u8]) -> Result<Connect, Malformed> {
    check_protocol(body)?;
    let (packet, length) = wire::Connect::parse(body).map_err(|e| Malformed::Body("CONNECT", e))?;
    whole(length, body)?;
    // Protocol name (6 bytes) and level (1), then the flags.
    let flags = body.get(7).copied().unwrap_or_default();
    if flags & 1 != 0 {
        return Err(Malformed::Field("the reserved flag of CONNECT"));
    }
    let will = if packet.will_flag() {
        match flags >> 3 & 3 {
            0 | 1 => {}
            2 => return Err(Malformed::Qos2),
            _ => return Err(Malformed::Field("a will with QoS 3")),
        }
        Some(Publish {
            topic: text(packet.will_topic().unwrap_or_default())?,
            payload: packet.will_payload().unwrap_or_default().to_vec(),
            packet_id: None,
            dup: false,
            retain: packet.will_retain(),
        })
    } else if flags & 0b0011_1000 != 0 {
        return Err(Malformed::Field("flags of a will without a will"));
    } else {
        None
    };
    Ok(Connect {
        clean_session: packet.clean_session(),
        keep_alive: packet.keep_alive(),
        client_id: text(packet.client_id())?,
        user_name: text(packet.user_name().unwrap_or_default())?,
        password: packet.password().unwrap_or_default().to_vec(),
        will,
    })
}

fn publish(flags: u8, body: &[u8]) -> Result<Publish, Malformed> {
    if flags >> 1 & 3 == 2 {
        return Err(Malformed::Qos2);
    }
    let (packet, length) =
        wire::Publish::parse(flags, Arc::from(body)).map_err(|e| Malformed::Body("PUBLISH", e))?;
    whole(length, body)?;
    if packet.dup() && packet.qos() == Qos::AtMostOnce {
        return Err(Malformed::Field("DUP with QoS 0"));
    }
    Ok(Publish {
        topic: text(packet.topic_name())?,
        payload: packet.payload().as_slice().to_vec(),
        packet_id: packet.packet_id().map(packet_id).transpose()?,
        dup: packet.dup(),
        retain: packet.retain(),
    })
}

fn subscribe(body: &[u8]) -> Result<Packet, Malformed> {
    let (packet, length) =
        wire::Subscribe::parse(body).map_err(|e| Malformed::Body("SUBSCRIBE", e))?;
    whole(length, body)?;
    let mut filters = Vec::new();
    for entry in packet.entries() {
        let [requested] = *entry.sub_opts().to_buffer();
        if requested > 2 {
            return Err(Malformed::Field("a requested QoS above 2"));
        }
        filters.push((text(entry.topic_filter())?, requested));
    }
    Ok(Packet::Subscribe(packet_id(packet.packet_id())?, filters))
}

fn unsubscribe(body: &[u8]) -> Result<Packet, Malformed> {
    let (packet, length) =
        wire::Unsubscribe::parse(body).map_err(|e| Malformed::Body("UNSUBSCRIBE", e))?;
    whole(length, body)?;
    let filters: Result<_, _> = packet
        .entries()
        .iter()
        .map(|filter| text(filter.as_str()))
        .collect();
    Ok(Packet::Unsubscribe(
        packet_id(packet.packet_id())?,
        filters?,
    ))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
