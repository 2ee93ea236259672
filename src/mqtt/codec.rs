//! The codec: mqttbytes writes and reads every packet. Sizes are computed here, so that it never grows an allocation,
//! and a packet that does not fit is refused before it allocates.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::{Bytes, BytesMut};
use mqttbytes_nostd::{Protocol, QoS as WireQoS, v4};
use zeroize::Zeroize;

use super::connect::{Connect, Will};
use super::error::{Fault, Field, RequestError};
use super::field;
use super::types::{PacketId, QoS};

/// The largest remaining length (MQTT 3.1.1, section 2.2.3), in bytes.
const MAX_REMAINING_LENGTH: usize = 268_435_455;
/// A packet without variable header and payload.
const EMPTY_PACKET: usize = 2;
/// A packet of nothing but a packet identifier.
const IDENTIFIER_PACKET: usize = 4;

/// Size of a packet with this remaining length.
const fn packet_size(remaining_length: usize) -> usize {
    let length_field = match remaining_length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    };
    1 + length_field + remaining_length
}

/// Size of a string or of binary data with its length field.
const fn field_size(bytes: &[u8]) -> usize {
    2 + bytes.len()
}

const fn wire_qos(qos: QoS) -> WireQoS {
    match qos {
        QoS::AtMostOnce => WireQoS::AtMostOnce,
        QoS::AtLeastOnce => WireQoS::AtLeastOnce,
    }
}

/// Writing cannot fail once sizes are checked; if it ever does, no packet leaves.
fn written(
    result: Result<usize, mqttbytes_nostd::Error>,
    packet: BytesMut,
) -> Result<BytesMut, RequestError> {
    match result {
        Ok(_) => Ok(packet),
        Err(_) => Err(RequestError::Field(
            Field::Payload,
            Fault::TooLong(packet.len()),
        )),
    }
}

pub(super) fn connect_size(connect: &Connect<'_>) -> usize {
    // Protocol name, level, flags, keep-alive.
    let mut length = 6 + 1 + 1 + 2 + field_size(connect.client_id.as_bytes());
    if let Some(Will { topic, payload, .. }) = connect.will {
        length += field_size(topic.as_bytes()) + field_size(payload);
    }
    length += field_size(connect.user_name.as_bytes());
    if let Some(password) = connect.password.filter(|password| !password.is_empty()) {
        length += field_size(password);
    }
    packet_size(length)
}

/// A CONNECT packet. It holds the password: [`wipe`] it.
pub(super) fn connect(
    keepalive_seconds: u16,
    connect: &Connect<'_>,
) -> Result<BytesMut, RequestError> {
    let password = field::utf8(Field::Password, connect.password.unwrap_or_default())?;
    let mut packet = v4::Connect {
        protocol: Protocol::V4,
        keep_alive: keepalive_seconds,
        client_id: String::from(connect.client_id),
        clean_session: connect.clean_session,
        last_will: connect.will.as_ref().map(|will| v4::LastWill {
            topic: String::from(will.topic),
            message: Bytes::copy_from_slice(will.payload),
            qos: wire_qos(will.qos),
            retain: will.retain,
        }),
        login: Some(v4::Login {
            username: String::from(connect.user_name),
            password: String::from(password),
        }),
    };
    let mut bytes = BytesMut::with_capacity(connect_size(connect));
    let result = packet.write(&mut bytes);
    if let Some(login) = &mut packet.login {
        login.password.zeroize();
    }
    if result.is_err() {
        wipe(&mut bytes);
    }
    written(result, bytes)
}

/// Overwrites a packet that holds a secret.
pub(super) fn wipe(packet: &mut BytesMut) {
    packet.as_mut().zeroize();
}

/// Places of the topic and of the payload in a PUBLISH packet at QoS 1 (MQTT 3.1.1, section 3.3).
pub(super) fn parts(packet: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let length = packet
        .iter()
        .skip(1)
        .take(4)
        .position(|byte| byte & 0x80 == 0)?;
    let topic = 1 + length + 1 + 2;
    let (high, low) = (packet.get(topic - 2)?, packet.get(topic - 1)?);
    let end = topic + usize::from(u16::from_be_bytes([*high, *low]));
    // The packet identifier follows the topic.
    (end + 2 <= packet.len()).then_some((topic..end, end + 2..packet.len()))
}

/// Size of a PUBLISH packet, if MQTT can carry it.
pub(super) fn publish_size(topic: &str, payload: &[u8], qos: QoS) -> Result<usize, RequestError> {
    let identifier = match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 2,
    };
    let length = (field_size(topic.as_bytes()) + identifier).saturating_add(payload.len());
    if length > MAX_REMAINING_LENGTH {
        return Err(RequestError::Field(
            Field::Payload,
            Fault::TooLong(payload.len()),
        ));
    }
    Ok(packet_size(length))
}

/// A PUBLISH packet: of QoS 1 with an identifier, of QoS 0 without.
pub(super) fn publish(
    topic: &str,
    payload: &[u8],
    id: Option<PacketId>,
) -> Result<BytesMut, RequestError> {
    let qos = if id.is_some() {
        QoS::AtLeastOnce
    } else {
        QoS::AtMostOnce
    };
    let mut bytes = BytesMut::with_capacity(publish_size(topic, payload, qos)?);
    let mut packet = v4::Publish::from_bytes(topic, wire_qos(qos), Bytes::copy_from_slice(payload));
    packet.pkid = id.map_or(0, PacketId::get);
    written(packet.write(&mut bytes), bytes)
}

pub(super) fn subscribe_size(filters: &[(&str, QoS)]) -> usize {
    let filters: usize = filters
        .iter()
        .map(|(filter, _)| field_size(filter.as_bytes()) + 1)
        .sum();
    packet_size(2 + filters)
}

pub(super) fn subscribe(id: PacketId, filters: &[(&str, QoS)]) -> Result<BytesMut, RequestError> {
    let mut bytes = BytesMut::with_capacity(subscribe_size(filters));
    let filters = filters
        .iter()
        .map(|(filter, qos)| v4::SubscribeFilter::new(String::from(*filter), wire_qos(*qos)));
    let packet = v4::Subscribe {
        pkid: id.get(),
        filters: filters.collect(),
    };
    written(packet.write(&mut bytes), bytes)
}

pub(super) fn unsubscribe_size(filters: &[&str]) -> usize {
    packet_size(
        2 + filters
            .iter()
            .map(|filter| field_size(filter.as_bytes()))
            .sum::<usize>(),
    )
}

pub(super) fn unsubscribe(id: PacketId, filters: &[&str]) -> Result<BytesMut, RequestError> {
    let mut bytes = BytesMut::with_capacity(unsubscribe_size(filters));
    let topics: Vec<String> = filters.iter().map(|filter| String::from(*filter)).collect();
    let packet = v4::Unsubscribe {
        pkid: id.get(),
        topics,
    };
    written(packet.write(&mut bytes), bytes)
}

pub(super) fn puback(id: PacketId) -> Result<BytesMut, RequestError> {
    let mut bytes = BytesMut::with_capacity(IDENTIFIER_PACKET);
    written(v4::PubAck::new(id.get()).write(&mut bytes), bytes)
}

pub(super) fn pingreq() -> Result<BytesMut, RequestError> {
    let mut bytes = BytesMut::with_capacity(EMPTY_PACKET);
    written(v4::PingReq.write(&mut bytes), bytes)
}

pub(super) fn disconnect() -> Result<BytesMut, RequestError> {
    let mut bytes = BytesMut::with_capacity(EMPTY_PACKET);
    written(v4::Disconnect.write(&mut bytes), bytes)
}
