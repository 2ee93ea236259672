//! Bytes from the server: in any pieces, and wrong in every way.

use super::*;

/// CONNACK, and the PUBLISH packets that a server may send after it.
fn conversation() -> Vec<u8> {
    let mut bytes = CONNACK.to_vec();
    bytes.extend(publish(0x30, "zero", None, b"0"));
    bytes.extend(publish(0x32, "one", Some(1), b"11"));
    bytes.extend(publish(0x3b, "two", Some(0x0102), &[0xff; 150]));
    bytes.extend(publish(0x32, "large", Some(3), &[0x55; 300]));
    bytes.extend(publish(0x31, "last", None, b""));
    bytes
}

fn check_conversation(events: &[Event], pieces: &[u8]) {
    assert_eq!(
        messages(events),
        [
            ("zero".into(), b"0".to_vec()),
            ("one".into(), b"11".to_vec()),
            ("two".into(), vec![0xff; 150]),
            ("last".into(), vec![]),
        ]
    );
    let Event::LargeMessage { message, size: 312 } = &events[4] else {
        panic!("{events:?}")
    };
    assert_eq!((message.topic(), message.payload()), ("large", &b""[..]));
    assert_eq!(message.ack().unwrap().packet_id().get(), 3);
    let end = Event::LargeMessageEnd { ack: message.ack() };
    assert_eq!((&events[5], pieces), (&end, &[0x55; 300][..]));
    let Event::Message(two) = &events[3] else {
        panic!("{events:?}")
    };
    assert!(two.dup() && two.retain() && two.qos() == QoS::AtLeastOnce);
    let Event::Message(last) = &events[6] else {
        panic!("{events:?}")
    };
    assert!(!last.dup() && last.retain() && last.qos() == QoS::AtMostOnce);
}

fn connecting() -> Bench {
    let mut bench = Bench::new(Config::default());
    bench.session.connect(bench.now, &CONNECT).unwrap();
    bench.sent();
    bench
}

#[test]
fn a_conversation_is_understood_in_one_piece_and_byte_by_byte() {
    let mut at_once = connecting();
    let events = at_once.feed(&conversation());
    check_conversation(&events, &at_once.pieces);

    let mut slowly = connecting();
    let mut events = Vec::new();
    for byte in conversation() {
        events.extend(slowly.feed(&[byte]));
    }
    check_conversation(&events, &slowly.pieces);
}

#[test]
fn a_conversation_is_understood_wherever_it_is_split() {
    let bytes = conversation();
    for split in 0..=bytes.len() {
        let mut bench = connecting();
        let mut events = bench.feed(&bytes[..split]);
        events.extend(bench.feed(&bytes[split..]));
        check_conversation(&events, &bench.pieces);
    }
}

#[test]
fn a_message_that_just_fits_is_delivered_in_one_and_one_byte_more_in_pieces() {
    // 2 bytes of remaining length and 3 of topic: 256 bytes in all.
    let mut bench = Bench::connected(Config::default());
    let fits = publish(0x30, "t", None, &[7; 250]);
    assert_eq!(fits.len(), 256);
    assert_eq!(messages(&bench.feed(&fits)).len(), 1);
    let events = bench.feed(&publish(0x30, "t", None, &[7; 251]));
    assert!(matches!(
        events[..],
        [
            Event::LargeMessage { size: 257, .. },
            Event::LargeMessageEnd { ack: None }
        ]
    ));
    assert_eq!(bench.pieces, [7; 251]);
    assert_eq!(bench.session.statistics().received, 2);
    assert_eq!(bench.sent(), [], "QoS 0 is not acknowledged");
}

#[test]
fn a_topic_that_just_fits_comes_with_its_payload_in_pieces_and_a_longer_one_is_skipped() {
    // 3 bytes of fixed header, 2 before the topic, 2 of packet identifier.
    let mut bench = Bench::connected(Config::default());
    let topic = "t".repeat(256 - 7);
    let events = bench.feed(&publish(0x32, &topic, Some(1), &[7; 300]));
    assert!(
        matches!(&events[..], [Event::LargeMessage { message, .. }, Event::LargeMessageEnd { .. }]
        if message.topic() == topic)
    );
    assert_eq!(bench.pieces, [7; 300]);
    let topic = "t".repeat(256 - 6);
    let too_large = publish(0x32, &topic, Some(2), &[7; 300]);
    let size = too_large.len();
    assert_eq!(bench.feed(&too_large), [Event::MessageTooLarge { size }]);
    assert_eq!(bench.session.statistics().too_large, 1);
}

#[test]
fn a_large_message_that_a_lost_connection_cuts_leaves_nothing_behind() {
    let mut bench = Bench::connected(Config::default());
    let packet = publish(0x32, "large", Some(5), &[7; 1000]);
    for cut in [200, 300, packet.len() - 1] {
        let events = bench.feed(&packet[..cut]);
        assert!(matches!(events[..], [Event::LargeMessage { .. }]));
        bench.session.disconnected();
        assert_eq!(bench.session.piece(), []);
        bench.connect();
        let events = bench.feed(&publish(0x30, "next", None, b"n"));
        assert_eq!(messages(&events), [("next".into(), b"n".to_vec())]);
        assert_eq!(bench.sent(), [], "what was cut is not acknowledged");
    }
}

#[test]
fn a_piece_stays_until_it_is_asked_for_the_next_event() {
    let mut bench = Bench::connected(Config::default());
    let packet = publish(0x30, "t", None, &[7; 400]);
    let space = bench.session.receive_buffer();
    space[..200].copy_from_slice(&packet[..200]);
    bench.session.received(200, bench.now);
    assert!(matches!(
        bench.session.poll(bench.now),
        Ok(Some(Event::LargeMessage { .. }))
    ));
    assert_eq!(bench.session.piece(), []);
    assert_eq!(bench.session.poll(bench.now), Ok(Some(Event::Piece)));
    let room = bench.session.receive_buffer().len();
    assert_eq!((bench.session.piece(), room), (&[7; 194][..], 256 - 194));
    bench.session.receive_buffer()[0] = 7;
    bench.session.received(1, bench.now);
    assert_eq!(bench.session.piece().len(), 194);
    assert_eq!(bench.session.poll(bench.now), Ok(Some(Event::Piece)));
    assert_eq!(bench.session.piece(), [7]);
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    assert_eq!(bench.session.piece(), []);
}

#[test]
fn a_message_too_large_even_in_its_topic_is_acknowledged_in_order() {
    let mut bench = Bench::connected(Config::default());
    let events = bench.feed(&publish(0x32, "first", Some(1), b""));
    let Event::Message(first) = &events[0] else {
        panic!("{events:?}")
    };
    let long_topic = "t".repeat(1000);
    let too_large = publish(0x32, &long_topic, Some(0x0203), &[7; 20_000]);
    assert_eq!(
        bench.feed(&too_large),
        [Event::MessageTooLarge {
            size: too_large.len()
        }]
    );
    assert_eq!(bench.sent(), [], "the first message holds up the second");
    bench.session.acknowledge(first.ack().unwrap());
    assert_eq!(bench.sent(), [0x40, 2, 0, 1, 0x40, 2, 2, 3]);
    assert_eq!(
        messages(&bench.feed(&publish(0x30, "next", None, b""))).len(),
        1
    );
}

/// The error that these bytes after CONNACK end the connection with, in one piece and byte by byte.
fn violation(bytes: &[u8]) -> Violation {
    let mut slowly = Bench::connected(Config::default());
    let outcome = bytes.iter().try_for_each(|byte| {
        slowly
            .try_feed(&[*byte])
            .map(|events| assert_eq!(events, []))
    });
    let mut at_once = Bench::connected(Config::default());
    let Err(Error::Protocol(violation)) = at_once.try_feed(bytes) else {
        panic!("{bytes:02x?} was believed")
    };
    assert_eq!(outcome, Err(Error::Protocol(violation)));
    assert_closed(&mut at_once);
    violation
}

/// After an error, the session asks for nothing any more.
fn assert_closed(bench: &mut Bench) {
    assert!(!bench.session.is_connected());
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    assert_eq!(bench.session.deadline(), None);
    assert!(bench.session.transmit().is_empty());
    assert!(bench.session.receive_buffer().is_empty());
}

#[test]
fn packets_that_a_server_cannot_send_are_refused_by_their_first_byte() {
    use PacketType::*;
    assert_eq!(violation(&[0x00]), Violation::ReservedType(0));
    assert_eq!(violation(&[0xf0]), Violation::ReservedType(15));
    for (first, packet) in [
        (0x10, Connect),
        (0x50, Pubrec),
        (0x62, Pubrel),
        (0x70, Pubcomp),
        (0x82, Subscribe),
        (0xa2, Unsubscribe),
        (0xc0, Pingreq),
        (0xe0, Disconnect),
    ] {
        assert_eq!(violation(&[first]), Violation::Unexpected(packet));
    }
    assert_eq!(violation(CONNACK), Violation::SecondConnack);
}

#[test]
fn flags_that_the_specification_reserves_are_refused() {
    use PacketType::*;
    for (first, packet) in [
        (0x41, Puback),
        (0x92, Suback),
        (0xb8, Unsuback),
        (0xd4, Pingresp),
    ] {
        assert_eq!(violation(&[first]), Violation::Flags(packet, first & 0x0f));
    }
    assert_eq!(violation(&[0x34]), Violation::QoS(2));
    assert_eq!(violation(&[0x36]), Violation::QoS(3));
    assert_eq!(violation(&[0x38]), Violation::DupAtQoS0);
}

#[test]
fn impossible_lengths_are_refused_before_the_packet_is_waited_for() {
    use PacketType::*;
    for (header, packet, length) in [
        (&[0x40, 0][..], Puback, 0),
        (&[0x40, 3], Puback, 3),
        (&[0x90, 2], Suback, 2),
        (&[0x90, 11], Suback, 11),
        (&[0xb0, 0x82, 0x01], Unsuback, 130),
        (&[0xd0, 1], Pingresp, 1),
        (&[0x30, 0], Publish, 0),
        (&[0x30, 2], Publish, 2),
        (&[0x32, 4], Publish, 4),
        (&[0x40, 0xff, 0xff, 0xff, 0x7f], Puback, 268_435_455),
    ] {
        assert_eq!(violation(header), Violation::Length(packet, length));
    }
    assert_eq!(
        violation(&[0x30, 0xff, 0xff, 0xff, 0xff]),
        Violation::RemainingLength
    );
}

#[test]
fn packet_identifier_zero_is_refused() {
    use PacketType::*;
    assert_eq!(
        violation(&publish(0x32, "t", Some(0), b"x")),
        Violation::PacketIdZero(Publish)
    );
    assert_eq!(
        violation(&publish(0x32, "t", Some(0), &[0; 400])),
        Violation::PacketIdZero(Publish)
    );
    assert_eq!(violation(&[0x40, 2, 0, 0]), Violation::PacketIdZero(Puback));
    assert_eq!(
        violation(&[0x90, 3, 0, 0, 0]),
        Violation::PacketIdZero(Suback)
    );
    assert_eq!(
        violation(&[0xb0, 2, 0, 0]),
        Violation::PacketIdZero(Unsuback)
    );
}

#[test]
fn topics_that_no_server_may_use_are_refused() {
    for (topic, expected) in [
        ("", Violation::TopicEmpty),
        ("a\0b", Violation::TopicNul),
        ("a/+", Violation::TopicWildcard),
        ("#", Violation::TopicWildcard),
    ] {
        assert_eq!(violation(&publish(0x30, topic, None, b"xyz")), expected);
    }
    assert_eq!(
        violation(b"\x30\x04\x00\x02\xc3\x28"),
        Violation::TopicNotUtf8
    );
    let surrogate = b"\x30\x05\x00\x03\xed\xa0\x80";
    assert_eq!(violation(surrogate), Violation::TopicNotUtf8);
    assert_eq!(
        violation(&publish(0x30, "", None, &[0; 400])),
        Violation::TopicEmpty
    );
}

#[test]
fn a_topic_that_reaches_beyond_its_packet_is_refused() {
    let malformed = Violation::Malformed(PacketType::Publish);
    assert_eq!(violation(b"\x30\x04\x00\x03ab"), malformed);
    assert_eq!(violation(b"\x32\x06\x00\x03abc\x00"), malformed);
    // The same in packets that are too large to be stored: 300 bytes follow the fixed header.
    assert_eq!(violation(b"\x30\xac\x02\x01\x2b"), malformed);
    assert_eq!(violation(b"\x32\xac\x02\x01\x29"), malformed);
}

#[test]
fn answers_to_nothing_are_refused() {
    assert_eq!(violation(&[0xd0, 0]), Violation::UnaskedPingresp);
    assert_eq!(
        violation(&[0x90, 3, 0, 9, 0]),
        Violation::Unasked(PacketType::Suback, 9)
    );
    assert_eq!(
        violation(&[0xb0, 2, 0, 9]),
        Violation::Unasked(PacketType::Unsuback, 9)
    );
}

#[test]
fn a_puback_for_a_message_that_is_not_in_flight_is_counted_and_tolerated() {
    let mut bench = Bench::connected(Config::default());
    assert_eq!(bench.feed(&[0x40, 2, 0, 9]), []);
    assert_eq!(bench.session.statistics().unexpected_pubacks, 1);
    assert!(bench.session.is_connected());
}

#[test]
fn remaining_lengths_with_needless_bytes_are_read_as_what_they_say() {
    // MQTT 3.1.1 allows up to four bytes for any length.
    let mut bench = Bench::connected(Config::default());
    let events = bench.feed(b"\x30\x84\x80\x80\x00\x00\x01tx");
    assert_eq!(messages(&events), [("t".into(), b"x".to_vec())]);
}
