#![allow(clippy::unwrap_used)]

use super::*;

fn decode_all(bytes: &[u8]) -> Result<Vec<Packet>, Malformed> {
    let mut buffer = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while let Some(packet) = decode(&mut buffer)? {
        packets.push(packet);
    }
    Ok(packets)
}

fn one(bytes: &[u8]) -> Packet {
    let mut packets = decode_all(bytes).unwrap();
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A CONNECT with these flags and this payload.
fn connect_bytes(flags: u8, payload: &[Vec<u8>]) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([4, flags, 0, 240]);
    body.extend(payload.concat());
    let mut bytes = vec![0x10, u8::try_from(body.len()).unwrap()];
    bytes.extend(body);
    bytes
}

fn connect_of(packet: Packet) -> Connect {
    match packet {
        Packet::Connect(connect) => *connect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_connect_of_a_device_with_a_certificate_is_read() {
    let user = "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12";
    let bytes = connect_bytes(0x80, &[string("MyDevice01"), string(user)]);
    assert_eq!(bytes.len(), 86);
    let connect = connect_of(one(&bytes));
    assert_eq!(
        (connect.client_id.as_str(), connect.user_name.as_str()),
        ("MyDevice01", user)
    );
    assert_eq!((connect.keep_alive, connect.clean_session), (240, false));
    assert!(connect.password.is_empty() && connect.will.is_none());
}

#[test]
fn a_will_and_a_password_are_read() {
    let fields = [
        string("d"),
        string("t"),
        string("gone"),
        string("u"),
        string("p"),
    ];
    let connect = connect_of(one(&connect_bytes(0b1110_1110, &fields)));
    let will = connect.will.unwrap();
    assert_eq!(
        (will.topic.as_str(), will.payload.as_slice(), will.retain),
        ("t", &b"gone"[..], true)
    );
    assert_eq!(connect.password, b"p");
    assert!(connect.clean_session);
}

#[test]
fn a_password_is_not_in_debug_output() {
    let connect = one(&connect_bytes(
        0xc0,
        &[string("d"), string("u"), string("secret")],
    ));
    let text = format!("{connect:?}");
    assert!(!text.contains("secret") && !text.contains("115"), "{text}");
}

#[test]
fn packets_are_read_whether_they_come_byte_by_byte_or_together() {
    let bytes = [
        &[0xc0, 0][..],
        b"\x32\x08\x00\x01t\x00\x02abc",
        b"\x30\x03\x00\x01t",
        b"\x40\x02\x00\x07",
        b"\x82\x06\x00\x01\x00\x01f\x02",
        b"\xa2\x05\x00\x02\x00\x01f",
        b"\xe0\x00",
    ]
    .concat();
    let expected = decode_all(&bytes).unwrap();
    assert_eq!(expected.len(), 7);
    assert_eq!(expected[4], Packet::Subscribe(1, vec![("f".into(), 2)]));
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    for byte in bytes {
        buffer.extend_from_slice(&[byte]);
        packets.extend(decode(&mut buffer).unwrap());
    }
    assert_eq!(packets, expected);
}

#[test]
fn what_breaks_the_specification_is_refused() {
    let flags_of_a_will = connect_bytes(0b1000_1000, &[string("d"), string("u")]);
    let reserved = connect_bytes(0x81, &[string("d"), string("u")]);
    let password_only = connect_bytes(0x40, &[string("d"), string("p")]);
    let trailing = connect_bytes(0x80, &[string("d"), string("u"), vec![0]]);
    let truncated = connect_bytes(0x80, &[string("d"), vec![0, 9, b'u']]);
    let null = connect_bytes(0x80, &[string("d\0"), string("u")]);
    let cases: [(&str, &[u8]); 29] = [
        ("packet type 0", b"\x00\x00"),
        ("packet type 15", b"\xf0\x00"),
        ("CONNACK", b"\x20\x02\x00\x00"),
        ("SUBACK", b"\x90\x03\x00\x01\x00"),
        ("UNSUBACK", b"\xb0\x02\x00\x01"),
        ("PINGRESP", b"\xd0\x00"),
        ("PUBREC", b"\x50\x02\x00\x01"),
        ("PUBREL", b"\x62\x02\x00\x01"),
        ("PUBCOMP", b"\x70\x02\x00\x01"),
        ("CONNECT with flags", b"\x11\x00"),
        ("SUBSCRIBE without flags", b"\x80\x06\x00\x01\x00\x01f\x01"),
        ("PUBLISH with QoS 2", b"\x34\x05\x00\x01t\x00\x01"),
        ("PUBLISH with QoS 3", b"\x36\x05\x00\x01t\x00\x01"),
        (
            "PUBLISH with packet identifier 0",
            b"\x32\x05\x00\x01t\x00\x00",
        ),
        ("PUBLISH with QoS 0 and DUP", b"\x38\x03\x00\x01t"),
        ("PUBLISH with a topic beyond its end", b"\x30\x03\x00\x09t"),
        (
            "PUBLISH with a topic that is not UTF-8",
            b"\x30\x03\x00\x01\xff",
        ),
        ("PUBACK with packet identifier 0", b"\x40\x02\x00\x00"),
        ("PUBACK that is too long", b"\x40\x03\x00\x01\x00"),
        ("SUBSCRIBE without filters", b"\x82\x02\x00\x01"),
        ("SUBSCRIBE for QoS 3", b"\x82\x06\x00\x01\x00\x01f\x03"),
        (
            "SUBSCRIBE with reserved bits",
            b"\x82\x06\x00\x01\x00\x01f\x41",
        ),
        ("PINGREQ with contents", b"\xc0\x01\x00"),
        ("flags of a will without a will", &flags_of_a_will),
        ("the reserved flag of CONNECT", &reserved),
        ("a password without a user name", &password_only),
        ("bytes after CONNECT", &trailing),
        ("a user name beyond its end", &truncated),
        ("U+0000", &null),
    ];
    for (what, bytes) in cases {
        assert!(decode_all(bytes).is_err(), "{what}");
    }
}

#[test]
fn a_length_that_is_too_long_is_refused_before_its_bytes_come() {
    assert_eq!(
        decode_all(b"\x30\xff\xff\xff\xff\x01"),
        Err(Malformed::Length)
    );
    assert_eq!(
        decode_all(b"\x30\xff\xff\xff\x7f"),
        Err(Malformed::TooLong(268_435_455))
    );
    assert_eq!(decode_all(b"\x30\xff\xff\xff"), Ok(Vec::new()));
    // 327,696 is the last one that is taken: bytes have to come.
    assert_eq!(decode_all(b"\x30\x8f\x80\x14"), Ok(Vec::new()));
    assert_eq!(
        decode_all(b"\x30\x90\x80\x14"),
        Err(Malformed::TooLong(327_696))
    );
}

#[test]
fn what_the_hub_sends_has_the_bytes_of_the_specification() {
    assert_eq!(encode::accepted(false).unwrap(), [0x20, 2, 0, 0]);
    assert_eq!(encode::accepted(true).unwrap(), [0x20, 2, 1, 0]);
    let refused =
        encode::refused(mqtt_protocol_core::mqtt::result_code::ConnectReturnCode::NotAuthorized);
    assert_eq!(refused.unwrap(), [0x20, 2, 0, 5]);
    assert_eq!(encode::puback(2).unwrap(), [0x40, 2, 0, 2]);
    assert_eq!(encode::suback(1, &[1, 0]).unwrap(), [0x90, 4, 0, 1, 1, 0]);
    assert_eq!(encode::unsuback(0x102).unwrap(), [0xb0, 2, 1, 2]);
    assert_eq!(encode::pingresp().unwrap(), [0xd0, 0]);
    assert_eq!(
        encode::publish("t", b"hi", None, false).unwrap(),
        b"\x30\x05\x00\x01thi"
    );
    assert_eq!(
        encode::publish("t", b"hi", Some(7), false).unwrap(),
        b"\x32\x07\x00\x01t\x00\x07hi"
    );
    assert_eq!(
        encode::publish("t", b"", Some(7), true).unwrap(),
        b"\x3a\x05\x00\x01t\x00\x07"
    );
}

/// Mutations of valid packets: the codec must answer, not panic.
#[test]
fn no_bytes_make_the_codec_panic() {
    let seeds: [Vec<u8>; 5] = [
        connect_bytes(
            0b1110_1110,
            &[
                string("d"),
                string("t"),
                string("w"),
                string("u"),
                string("p"),
            ],
        ),
        b"\x32\x08\x00\x01t\x00\x02abc".to_vec(),
        b"\x82\x06\x00\x01\x00\x01f\x02".to_vec(),
        b"\xa2\x05\x00\x02\x00\x01f".to_vec(),
        b"\x40\x02\x00\x07".to_vec(),
    ];
    // xorshift64: the same mutations at every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut accepted = 0;
    for _ in 0..200_000 {
        let mut bytes = seeds[random(seeds.len())].clone();
        for _ in 0..=random(3) {
            let position = random(bytes.len());
            match random(3) {
                0 => bytes[position] = u8::try_from(random(256)).unwrap(),
                1 => bytes.truncate(position.max(1)),
                _ => bytes.insert(position, u8::try_from(random(256)).unwrap()),
            }
        }
        accepted += usize::from(decode_all(&bytes).is_ok());
    }
    assert!(accepted > 1000, "the mutations reach past the first byte");
}
