//! Messages at QoS 1: kept, sent in order, sent again, dropped by the stated policy.

use super::super::outbox::ENTRY_HEADER;
use super::*;

/// `PUBLISH` to topic `t` with a payload of one byte, as it goes over the wire: 8 bytes.
fn wire(dup: bool, id: u8, payload: u8) -> Vec<u8> {
    vec![if dup { 0x3a } else { 0x32 }, 6, 0, 1, b't', 0, id, payload]
}

fn publish_all(bench: &mut Bench, payloads: &[u8]) {
    for payload in payloads {
        bench.session.publish("t", &[*payload]).unwrap();
    }
}

/// An outbox with room for this many messages of [`wire`].
fn with_room_for(messages: usize, config: Config) -> Bench {
    Bench::sized(config, 64, 64, messages * (8 + ENTRY_HEADER))
}

#[test]
fn what_was_sent_goes_out_again_as_a_duplicate_and_what_was_not_does_not() {
    let mut bench = Bench::connected(Config {
        max_in_flight: 2,
        ..Config::default()
    });
    publish_all(&mut bench, &[1, 2, 3]);
    assert_eq!(
        bench.sent(),
        [wire(false, 1, 1), wire(false, 2, 2)].concat()
    );
    bench.session.disconnected();
    assert_eq!(
        (bench.session.in_flight(), bench.session.unsent_count()),
        (0, 1)
    );
    bench.connect();
    assert_eq!(bench.sent(), [wire(true, 1, 1), wire(true, 2, 2)].concat());
    assert_eq!(bench.feed(&[0x40, 2, 0, 1]).len(), 1);
    assert_eq!(bench.sent(), wire(false, 3, 3));
    let statistics = *bench.session.statistics();
    assert_eq!(
        (
            statistics.queued,
            statistics.sent,
            statistics.resent,
            statistics.acknowledged
        ),
        (3, 5, 2, 1)
    );
}

#[test]
fn a_message_that_a_broken_transport_may_have_taken_is_a_duplicate_next_time() {
    let mut bench = Bench::connected(Config::default());
    publish_all(&mut bench, &[1, 2]);
    assert_eq!(bench.session.transmit(), wire(false, 1, 1));
    assert_eq!(
        bench.session.transmit(),
        wire(false, 1, 1),
        "asking twice changes nothing"
    );
    // The transport fails here, without saying what it took.
    bench.session.disconnected();
    bench.connect();
    assert_eq!(bench.sent(), [wire(true, 1, 1), wire(false, 2, 2)].concat());
}

#[test]
fn control_packets_go_between_messages_but_never_into_one() {
    let mut bench = Bench::connected(Config::default());
    publish_all(&mut bench, &[1, 2]);
    assert_eq!(bench.session.transmit().len(), 8);
    bench.session.transmitted(3, bench.now);
    bench.session.publish_now("n", b"").unwrap();
    let rest = &wire(false, 1, 1)[3..];
    assert_eq!(
        bench.sent(),
        [rest, b"\x30\x03\x00\x01n", &wire(false, 2, 2)].concat()
    );
}

#[test]
fn a_full_outbox_drops_the_oldest_that_was_never_sent() {
    let mut bench = with_room_for(
        3,
        Config {
            max_in_flight: 1,
            ..Config::default()
        },
    );
    bench.connect();
    publish_all(&mut bench, &[1]);
    assert_eq!(bench.sent(), wire(false, 1, 1));
    publish_all(&mut bench, &[2, 3, 4, 5]);
    assert_eq!(bench.session.statistics().dropped, 2);
    assert_eq!(bench.feed(&[0x40, 2, 0, 1]).len(), 1);
    assert_eq!(bench.sent(), wire(false, 4, 4));
    assert_eq!(bench.feed(&[0x40, 2, 0, 4]).len(), 1);
    assert_eq!(bench.sent(), wire(false, 5, 5));
}

#[test]
fn messages_in_flight_are_never_dropped_and_nothing_is_dropped_in_vain() {
    let mut bench = with_room_for(
        3,
        Config {
            max_in_flight: 2,
            ..Config::default()
        },
    );
    bench.connect();
    publish_all(&mut bench, &[1, 2, 3]);
    bench.sent();
    // Two in flight leave room for a message of one byte at best; this has two.
    let full = RequestError::OutboxFull {
        needed: 9 + ENTRY_HEADER,
        free: 0,
    };
    assert_eq!(bench.session.publish("t", b"45"), Err(full));
    assert_eq!(bench.session.outbox_count(), 3);
    let statistics = bench.session.statistics();
    assert_eq!((statistics.dropped, statistics.refused), (0, 1));
}

#[test]
fn the_other_policy_refuses_the_newest() {
    let mut bench = with_room_for(
        2,
        Config {
            overflow: OverflowPolicy::RefuseNewest,
            ..Config::default()
        },
    );
    publish_all(&mut bench, &[1, 2]);
    let full = RequestError::OutboxFull {
        needed: 8 + ENTRY_HEADER,
        free: 0,
    };
    assert_eq!(bench.session.publish("t", b"3"), Err(full));
    bench.connect();
    assert_eq!(
        bench.sent(),
        [wire(false, 1, 1), wire(false, 2, 2)].concat()
    );
}

#[test]
fn a_message_larger_than_the_outbox_is_refused_without_dropping_anything() {
    let mut bench = with_room_for(2, Config::default());
    publish_all(&mut bench, &[1, 2]);
    let room = 8 + ENTRY_HEADER;
    let too_large = RequestError::TooLarge {
        buffer: Buffer::Outbox,
        needed: 2 * room + 1,
        size: 2 * room,
    };
    let longest = 2 * room - 7 - ENTRY_HEADER;
    assert_eq!(
        bench.session.publish("t", &vec![0; longest + 1]),
        Err(too_large)
    );
    assert_eq!(bench.session.outbox_count(), 2);
    assert!(bench.session.publish("t", &vec![0; longest]).is_ok());
    assert_eq!(bench.session.outbox_count(), 1);
}

#[test]
fn holding_starts_nothing_but_lets_what_is_in_flight_drain() {
    let mut bench = Bench::connected(Config {
        max_in_flight: 2,
        ..Config::default()
    });
    publish_all(&mut bench, &[1, 2]);
    assert_eq!(bench.session.transmit().len(), 8);
    bench.session.transmitted(3, bench.now);
    bench.session.set_hold(true);
    assert_eq!(bench.sent(), &wire(false, 1, 1)[3..]);
    assert!(!bench.session.is_drained());
    bench.session.publish_now("n", b"").unwrap();
    assert!(!bench.session.is_drained());
    assert_eq!(bench.sent(), b"\x30\x03\x00\x01n");
    bench.feed(&[0x40, 2, 0, 1]);
    assert!(bench.session.is_drained());
    assert_eq!(bench.sent(), []);
    bench.session.set_hold(false);
    assert_eq!(bench.sent(), wire(false, 2, 2));
    bench.session.set_hold(true);
    bench.session.disconnected();
    bench.connect();
    assert_eq!(
        bench.sent(),
        wire(true, 2, 2),
        "a new connection holds nothing back"
    );
}

#[test]
fn pubacks_out_of_order_free_their_own_messages() {
    let mut bench = Bench::connected(Config::default());
    publish_all(&mut bench, &[1, 2, 3]);
    bench.sent();
    assert_eq!(
        bench.feed(&[0x40, 2, 0, 2]),
        [Event::Published(PacketId::new(2).unwrap())]
    );
    bench.session.disconnected();
    bench.connect();
    assert_eq!(bench.sent(), [wire(true, 1, 1), wire(true, 3, 3)].concat());
}

#[test]
fn a_late_puback_for_an_earlier_connection_counts_unless_its_message_is_half_sent_again() {
    let mut bench = Bench::connected(Config::default());
    publish_all(&mut bench, &[1, 2, 3]);
    bench.sent();
    bench.session.disconnected();
    bench.connect();
    assert_eq!(bench.feed(&[0x40, 2, 0, 1]).len(), 1);
    assert_eq!(bench.session.transmit(), wire(true, 2, 2));
    bench.session.transmitted(1, bench.now);
    assert_eq!(bench.feed(&[0x40, 2, 0, 2]), []);
    assert_eq!(
        bench.sent(),
        [&wire(true, 2, 2)[1..], &wire(true, 3, 3)].concat()
    );
    assert_eq!(bench.feed(&[0x40, 2, 0, 2, 0x40, 2, 0, 3]).len(), 2);
    assert_eq!(bench.session.outbox_count(), 0);
}

#[test]
fn a_puback_for_a_message_that_was_never_sent_removes_nothing() {
    let mut bench = Bench::connected(Config {
        max_in_flight: 1,
        ..Config::default()
    });
    publish_all(&mut bench, &[1, 2]);
    bench.sent();
    assert_eq!(bench.feed(&[0x40, 2, 0, 2]), []);
    assert_eq!(bench.session.outbox_count(), 2);
}

#[test]
fn packet_identifiers_wrap_around_zero_and_around_those_in_use() {
    let mut bench = Bench::connected(Config::default());
    bench.session.publish("t", b"").unwrap();
    let request = bench.session.subscribe(&[("t", QoS::AtMostOnce)]).unwrap();
    assert_eq!(request.get(), 2);
    bench.session.next_packet_id = PacketId::new(65_535).unwrap();
    assert_eq!(bench.session.publish("t", b"").unwrap().get(), 65_535);
    assert_eq!(bench.session.publish("t", b"").unwrap().get(), 3);
    assert_eq!(bench.session.unsubscribe(&["t"]).unwrap().get(), 4);
}

#[test]
fn when_every_identifier_is_taken_nothing_is_queued() {
    let mut bench = Bench::sized(Config::default(), 64, 64, 1 << 21);
    let packet = codec::publish("t", b"", PacketId::new(1)).unwrap();
    let mut id = PacketId::FIRST;
    for _ in 0..65_535 {
        bench
            .session
            .outbox
            .push(id, &packet, Label::default())
            .unwrap();
        id = id.next();
    }
    assert_eq!(id, PacketId::FIRST);
    assert_eq!(
        bench.session.publish("t", b""),
        Err(RequestError::NoPacketId)
    );
    assert_eq!(bench.session.outbox_count(), 65_535);
}

#[test]
fn topics_and_payloads_that_cannot_be_sent_are_refused() {
    let mut bench = Bench::connected(Config::default());
    let wrong = |fault| RequestError::Field(Field::Topic, fault);
    for (topic, fault) in [
        ("", Fault::Empty),
        ("a/+", Fault::Wildcard),
        ("a\0", Fault::Nul),
    ] {
        assert_eq!(bench.session.publish(topic, b""), Err(wrong(fault)));
        assert_eq!(bench.session.publish_now(topic, b""), Err(wrong(fault)));
    }
    let long = "x".repeat(65_536);
    assert_eq!(
        bench.session.publish(&long, b""),
        Err(wrong(Fault::TooLong(65_536)))
    );
    let needed = RequestError::TooLarge {
        buffer: Buffer::Transmit,
        needed: 1025,
        size: 1024,
    };
    assert_eq!(bench.session.publish_now("t", &[0; 1019]), Err(needed));
    bench.session.publish_now("t", &[0; 1000]).unwrap();
    let full = RequestError::TransmitBufferFull {
        needed: 24,
        free: 18,
    };
    assert_eq!(bench.session.publish_now("t", &[0; 19]), Err(full));
}

#[test]
fn sizes_are_computed_as_the_codec_writes_them() {
    let id = PacketId::new(1);
    for length in [
        0, 1, 122, 123, 124, 16_378, 16_379, 16_380, 2_097_146, 2_097_147, 2_097_148,
    ] {
        let payload = vec![0; length];
        let packet = codec::publish("t", &payload, id).unwrap();
        assert_eq!(
            codec::publish_size("t", &payload, QoS::AtLeastOnce),
            Ok(packet.len())
        );
        let packet = codec::publish("t", &payload, None).unwrap();
        assert_eq!(
            codec::publish_size("t", &payload, QoS::AtMostOnce),
            Ok(packet.len())
        );
    }
}
