//! The client's side of the codec, for devices that the program simulates.

use bytes::{Buf, BytesMut};
use mqtt_protocol_core::mqtt::packet::{Qos, SubEntry, SubOpts, v3_1_1 as wire};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use super::{Malformed, Publish, publish, remaining_length};

/// PINGREQ.
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
/// DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// Packets from the hub, as far as a device of this program cares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNACK with this return code.
    Connack(u8),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK of this packet identifier.
    Puback(u16),
    /// SUBACK.
    Suback,
    /// Anything else.
    Other,
}

/// Takes one packet off the front of `buffer`; `None` if it is not complete yet.
pub(crate) fn decode(buffer: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let Some((length, size)) = remaining_length(rest)? else {
        return Ok(None);
    };
    if rest.len() < size + length {
        return Ok(None);
    }
    buffer.advance(1 + size);
    let body = buffer.split_to(length);
    Ok(Some(match first >> 4 {
        2 => {
            let (packet, _) =
                wire::Connack::parse(&body).map_err(|e| Malformed::Body("CONNACK", e))?;
            Packet::Connack(packet.return_code() as u8)
        }
        3 => Packet::Publish(publish(first & 0x0f, &body)?),
        4 => {
            let (packet, _) =
                wire::Puback::parse(&body).map_err(|e| Malformed::Body("PUBACK", e))?;
            Packet::Puback(packet.packet_id())
        }
        9 => Packet::Suback,
        _ => Packet::Other,
    }))
}

/// CONNECT, with the stored session if there is one.
pub(crate) fn connect(
    client_id: &str,
    user_name: &str,
    password: &str,
    keep_alive: u16,
) -> Result<Vec<u8>, MqttError> {
    let packet = wire::Connect::builder()
        .client_id(client_id)?
        .user_name(user_name)?
        .password(password)?
        .keep_alive(keep_alive)
        .clean_session(false)
        .build()?;
    Ok(packet.to_continuous_buffer())
}

/// SUBSCRIBE with QoS 1.
pub(crate) fn subscribe(packet_id: u16, filters: &[String]) -> Result<Vec<u8>, MqttError> {
    let options = SubOpts::new().set_qos(Qos::AtLeastOnce);
    let entries: Result<Vec<_>, _> = filters
        .iter()
        .map(|filter| SubEntry::new(filter.as_str(), options))
        .collect();
    let packet = wire::Subscribe::builder()
        .packet_id(packet_id)
        .entries(entries?)
        .build()?;
    Ok(packet.to_continuous_buffer())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{self as hub, encode};
    use super::*;

    #[test]
    fn packets_of_every_length_are_taken_whole_and_in_pieces() {
        for length in [0, 1, 110, 128, 16_370, 16_384, 300_000] {
            let payload = vec![7; length];
            let whole = encode::publish("topic", &payload, Some(5), true).unwrap();
            let mut received = BytesMut::new();
            for byte in &whole {
                assert_eq!(decode(&mut received), Ok(None));
                received.extend([*byte]);
            }
            received.extend([0xd0]);
            let Ok(Some(Packet::Publish(taken))) = decode(&mut received) else {
                panic!("{length}");
            };
            assert_eq!((taken.payload, taken.packet_id), (payload, Some(5)));
            assert_eq!(&received[..], [0xd0]);
        }
        let mut endless = BytesMut::from(&[0x30, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(decode(&mut endless).is_err());
    }

    #[test]
    fn the_hub_and_its_devices_read_each_other() {
        let of_hub = [
            (encode::accepted(true).unwrap(), Packet::Connack(0)),
            (encode::puback(7).unwrap(), Packet::Puback(7)),
            (encode::suback(1, &[1]).unwrap(), Packet::Suback),
            (encode::pingresp().unwrap(), Packet::Other),
        ];
        for (bytes, meant) in of_hub {
            let mut bytes = BytesMut::from(&bytes[..]);
            assert_eq!(decode(&mut bytes), Ok(Some(meant)));
        }
        let mut bytes = BytesMut::from(&connect("d", "h/d", "secret", 600).unwrap()[..]);
        let Ok(Some(hub::Packet::Connect(packet))) = hub::decode(&mut bytes) else {
            panic!("no CONNECT");
        };
        assert_eq!(
            (packet.client_id.as_str(), packet.user_name.as_str()),
            ("d", "h/d")
        );
        assert_eq!(packet.password, b"secret");
        assert_eq!((packet.keep_alive, packet.clean_session), (600, false));
        let filters = ["a/#".to_owned(), "b".to_owned()];
        let mut bytes = BytesMut::from(&subscribe(1, &filters).unwrap()[..]);
        let expected = filters.map(|filter| (filter, 1)).to_vec();
        assert_eq!(
            hub::decode(&mut bytes),
            Ok(Some(hub::Packet::Subscribe(1, expected)))
        );
        for (bytes, meant) in [
            (PINGREQ, hub::Packet::Pingreq),
            (DISCONNECT, hub::Packet::Disconnect),
        ] {
            assert_eq!(
                hub::decode(&mut BytesMut::from(&bytes[..])),
                Ok(Some(meant))
            );
        }
    }
}
