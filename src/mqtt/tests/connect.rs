//! CONNECT, CONNACK, DISCONNECT.

use super::*;

#[test]
fn connect_is_written_as_the_specification_says() {
    let mut bench = Bench::new(Config::default());
    bench.session.connect(bench.now, &CONNECT).unwrap();
    assert_eq!(
        bench.sent(),
        b"\x10\x25\x00\x04MQTT\x04\xc0\x00\xf0\x00\x03dev\x00\x0dhost/dev/?v=1\x00\x05token"
    );
}

#[test]
fn messages_that_follow_connack_in_one_segment_are_delivered_before_any_subscribe() {
    let mut bench = Bench::new(Config::default());
    bench.session.connect(bench.now, &CONNECT).unwrap();
    bench.sent();
    let mut segment = vec![0x20, 2, 1, 0];
    segment.extend(publish(0x32, "a/b", Some(7), b"hello"));
    segment.extend(publish(0x30, "c", None, b""));
    let events = bench.feed(&segment);
    assert_eq!(
        events[0],
        Event::Connected {
            session_present: true
        }
    );
    assert_eq!(
        messages(&events),
        [("a/b".into(), b"hello".to_vec()), ("c".into(), vec![])]
    );
    let Event::Message(message) = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(bench.sent(), []);
    bench.session.acknowledge(message.ack().unwrap());
    assert_eq!(bench.sent(), [0x40, 2, 0, 7]);
}

#[test]
fn the_password_is_wiped_from_the_transmit_buffer_as_it_leaves() {
    let transmit = vec![0xAA; 128].leak();
    let start = transmit.as_ptr();
    let buffers = Buffers {
        receive: vec![0; 64].leak(),
        transmit,
        outbox: &mut [],
    };
    let mut session = Session::new(Config::default(), buffers).unwrap();
    session.connect(Instant::default(), &CONNECT).unwrap();
    let length = session.transmit().len();
    assert_eq!(session.transmit().as_ptr(), start);
    session.transmitted(length - 2, Instant::default());
    assert_eq!(session.transmit(), b"en");
    assert_eq!(
        &session.transmit_buffer.everything()[..length - 2],
        vec![0; length - 2]
    );
    session.disconnected();
    assert_eq!(
        &session.transmit_buffer.everything()[..length],
        vec![0; length]
    );
}

#[test]
fn bytes_that_move_inside_the_transmit_buffer_leave_nothing_behind() {
    let mut bench = Bench::sized(Config::default(), 64, 48, 0);
    bench.session.connect(bench.now, &CONNECT).unwrap();
    assert_eq!(bench.session.transmit().len(), 39);
    bench.session.transmitted(32, bench.now);
    // A server that answers before it has read everything makes room for this.
    bench.feed(CONNACK);
    bench.session.publish_now("t", b"123456").unwrap();
    assert_eq!(
        bench.session.transmit(),
        b"\x00\x05token\x30\x09\x00\x01t123456"
    );
    let pending = bench.session.transmit().len();
    let memory = bench.session.transmit_buffer.everything();
    assert!(
        memory[pending..].iter().all(|byte| *byte == 0),
        "{memory:?}"
    );
}

#[test]
fn a_publish_waits_for_connack_and_is_answered_by_its_identifier() {
    let mut bench = Bench::new(Config::default());
    let id = bench.session.publish("t", b"x").unwrap();
    bench.session.connect(bench.now, &CONNECT).unwrap();
    assert_eq!(bench.sent()[0], 0x10);
    bench.feed(CONNACK);
    assert_eq!(bench.sent(), b"\x32\x06\x00\x01t\x00\x01x");
    assert_eq!(bench.feed(&[0x40, 2, 0, 1]), [Event::Published(id)]);
    assert_eq!(bench.session.outbox_count(), 0);
}

/// Returns the result of a first packet of these bytes.
fn answer(connect: &Connect<'_>, bytes: &[u8]) -> Result<Vec<Event>, Error> {
    let mut bench = Bench::new(Config::default());
    bench.session.connect(bench.now, connect).unwrap();
    bench.sent();
    bench.try_feed(bytes)
}

#[test]
fn every_refusal_has_its_name_and_its_number() {
    use ConnectReturnCode::*;
    for (code, expected) in [
        (1, UnacceptableProtocolVersion),
        (2, IdentifierRejected),
        (3, ServerUnavailable),
        (4, BadUserNameOrPassword),
        (5, NotAuthorized),
        (6, Reserved(6)),
        (255, Reserved(255)),
    ] {
        assert_eq!(
            answer(&CONNECT, &[0x20, 2, 0, code]),
            Err(Error::Refused(expected))
        );
        assert_eq!(expected.code(), code);
        assert!(
            expected
                .to_string()
                .starts_with(&format!("CONNACK {code}: "))
        );
    }
}

#[test]
fn a_connack_that_breaks_the_rules_is_refused() {
    let clean = Connect {
        clean_session: true,
        ..CONNECT
    };
    let present = Event::Connected {
        session_present: true,
    };
    assert_eq!(answer(&CONNECT, &[0x20, 2, 1, 0]), Ok(vec![present]));
    assert_eq!(
        answer(&clean, &[0x20, 2, 1, 0]),
        Err(Violation::SessionPresent.into())
    );
    assert_eq!(
        answer(&CONNECT, &[0x20, 2, 2, 0]),
        Err(Violation::ConnackFlags(2).into())
    );
    assert_eq!(
        answer(&CONNECT, &[0x20, 3]),
        Err(Violation::Length(PacketType::Connack, 3).into())
    );
    assert_eq!(
        answer(&CONNECT, &[0x21]),
        Err(Violation::Flags(PacketType::Connack, 1).into())
    );
}

#[test]
fn nothing_may_come_before_connack() {
    use PacketType::*;
    for (first, packet) in [
        (0x30, Publish),
        (0x40, Puback),
        (0x90, Suback),
        (0xb0, Unsuback),
        (0xd0, Pingresp),
    ] {
        assert_eq!(
            answer(&CONNECT, &[first]),
            Err(Violation::BeforeConnack(packet).into())
        );
    }
    assert_eq!(
        answer(&CONNECT, b"HTTP/1.1 400 Bad Request\r\n"),
        Err(Violation::BeforeConnack(Puback).into())
    );
}

#[test]
fn connect_carries_a_will_and_a_clean_session() {
    let mut bench = Bench::new(Config {
        keepalive: Duration::from_millis(1_500),
        ..Config::default()
    });
    let will = Will {
        topic: "w",
        payload: &[0xff, 0],
        qos: QoS::AtLeastOnce,
        retain: true,
    };
    let connect = Connect {
        client_id: "d",
        user_name: "u",
        password: None,
        clean_session: true,
        will: Some(will),
    };
    bench.session.connect(bench.now, &connect).unwrap();
    // Flags: user name, will retain, will QoS 1, will, clean session. Keep-alive rounded up to 2 s.
    assert_eq!(
        bench.sent(),
        b"\x10\x17\x00\x04MQTT\x04\xae\x00\x02\x00\x01d\x00\x01w\x00\x02\xff\x00\x00\x01u"
    );
}

#[test]
fn an_empty_password_is_as_good_as_none() {
    let wire = |password| {
        let mut bench = Bench::new(Config::default());
        bench
            .session
            .connect(
                bench.now,
                &Connect {
                    password,
                    ..CONNECT
                },
            )
            .unwrap();
        bench.sent()
    };
    assert_eq!(wire(Some(b"")), wire(None));
    assert_eq!(wire(None)[9], 0x80);
}

#[test]
fn values_that_connect_cannot_carry_are_named() {
    let long = "x".repeat(65_536);
    let will = Will {
        topic: "w",
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
    };
    let wrong = |field, fault| RequestError::Field(field, fault);
    for (connect, expected) in [
        (
            Connect {
                client_id: "",
                ..CONNECT
            },
            wrong(Field::ClientId, Fault::Empty),
        ),
        (
            Connect {
                client_id: "a\0",
                ..CONNECT
            },
            wrong(Field::ClientId, Fault::Nul),
        ),
        (
            Connect {
                user_name: &long,
                ..CONNECT
            },
            wrong(Field::UserName, Fault::TooLong(65_536)),
        ),
        (
            Connect {
                user_name: "",
                ..CONNECT
            },
            wrong(Field::UserName, Fault::Empty),
        ),
        (
            Connect {
                password: Some(&[0xff]),
                ..CONNECT
            },
            wrong(Field::Password, Fault::NotUtf8),
        ),
        (
            Connect {
                password: Some(long.as_bytes()),
                ..CONNECT
            },
            wrong(Field::Password, Fault::TooLong(65_536)),
        ),
        (
            Connect {
                will: Some(Will {
                    topic: "a/#",
                    ..will
                }),
                ..CONNECT
            },
            wrong(Field::WillTopic, Fault::Wildcard),
        ),
        (
            Connect {
                will: Some(Will {
                    payload: long.as_bytes(),
                    ..will
                }),
                ..CONNECT
            },
            wrong(Field::WillPayload, Fault::TooLong(65_536)),
        ),
    ] {
        let mut bench = Bench::new(Config::default());
        assert_eq!(bench.session.connect(bench.now, &connect), Err(expected));
        assert!(bench.session.transmit().is_empty());
        assert_eq!(bench.session.deadline(), None);
    }
}

#[test]
fn a_connect_that_the_transmit_buffer_cannot_hold_says_how_much_it_needs() {
    let mut bench = Bench::sized(Config::default(), 64, 38, 0);
    let expected = RequestError::TooLarge {
        buffer: Buffer::Transmit,
        needed: 39,
        size: 38,
    };
    assert_eq!(bench.session.connect(bench.now, &CONNECT), Err(expected));
    let mut bench = Bench::sized(Config::default(), 64, 39, 0);
    assert_eq!(bench.session.connect(bench.now, &CONNECT), Ok(()));
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    fn new(config: Config, receive: usize, transmit: usize) -> Option<RequestError> {
        let (mut receive, mut transmit) = (vec![0; receive], vec![0; transmit]);
        let buffers = Buffers {
            receive: &mut receive,
            transmit: &mut transmit,
            outbox: &mut [],
        };
        Session::new(config, buffers).err()
    }
    let too_small = |buffer| {
        Some(RequestError::TooLarge {
            buffer,
            needed: MIN_BUFFER,
            size: 15,
        })
    };
    assert_eq!(new(Config::default(), 15, 16), too_small(Buffer::Receive));
    assert_eq!(new(Config::default(), 16, 15), too_small(Buffer::Transmit));
    let keepalive = Duration::from_secs(65_536);
    let config = Config {
        keepalive,
        ..Config::default()
    };
    assert_eq!(
        new(config, 16, 16),
        Some(RequestError::Keepalive(keepalive))
    );
}

#[test]
fn disconnect_follows_what_is_due_and_lets_nothing_start_after_it() {
    let mut bench = Bench::connected(Config::default());
    let events = bench.feed(&publish(0x32, "t", Some(5), b""));
    let Event::Message(message) = &events[0] else {
        panic!("{events:?}")
    };
    bench.session.acknowledge(message.ack().unwrap());
    bench.session.publish_now("n", b"").unwrap();
    bench.session.disconnect();
    bench.session.publish("later", b"").unwrap();
    assert_eq!(
        bench.session.publish_now("n", b""),
        Err(RequestError::NotConnected)
    );
    assert_eq!(
        bench.session.subscribe(&[("n", QoS::AtMostOnce)]),
        Err(RequestError::NotConnected)
    );
    assert_eq!(bench.sent(), b"\x30\x03\x00\x01n\x40\x02\x00\x05\xe0\x00");
    assert!(bench.session.transmit().is_empty());
    assert_eq!(bench.session.outbox_count(), 1);
}

#[test]
fn disconnect_waits_for_the_message_that_is_half_sent() {
    let mut bench = Bench::connected(Config::default());
    bench.session.publish("t", b"1").unwrap();
    bench.session.publish("t", b"2").unwrap();
    assert_eq!(bench.session.transmit(), b"\x32\x06\x00\x01t\x00\x011");
    bench.session.transmitted(3, bench.now);
    bench.session.disconnect();
    assert_eq!(bench.sent(), b"\x01t\x00\x011\xe0\x00");
    assert_eq!(
        bench.feed(&[0x40, 2, 0, 1]),
        [Event::Published(PacketId::FIRST)],
        "a late PUBACK still counts"
    );
}

#[test]
fn disconnect_before_connack_follows_connect_since_the_server_may_have_accepted() {
    for answer in [&[0x20, 2, 0, 0][..], &[0x20, 2, 1, 0], b""] {
        let mut bench = Bench::new(Config::default());
        bench.session.publish("t", b"").unwrap();
        bench.session.connect(bench.now, &CONNECT).unwrap();
        // The first bytes of CONNECT are on their way already.
        bench.session.transmit();
        bench.session.transmitted(3, bench.now);
        bench.session.disconnect();
        bench.session.disconnect();
        let sent = bench.sent();
        assert!(sent.ends_with(b"\xe0\x00"), "{sent:?}");
        assert_eq!(sent.iter().filter(|byte| **byte == 0xe0).count(), 1);
        assert_eq!(bench.feed(answer), [], "nothing begins any more");
        assert!(bench.sent().is_empty());
        assert_eq!(bench.session.deadline(), None);
        assert_eq!(bench.session.outbox_count(), 1);
    }
}

#[test]
fn without_a_connection_there_is_nothing_to_do() {
    let mut bench = Bench::new(Config::default());
    assert!(bench.session.transmit().is_empty());
    assert!(bench.session.receive_buffer().is_empty());
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    assert_eq!(bench.session.deadline(), None);
    bench.session.received(5, bench.now);
    bench.session.transmitted(5, bench.now);
    bench.session.disconnect();
    assert_eq!(
        bench.session.publish_now("t", b""),
        Err(RequestError::NotConnected)
    );
    assert_eq!(
        bench.session.unsubscribe(&["t"]),
        Err(RequestError::NotConnected)
    );
}

#[test]
fn no_secret_is_printed() {
    let mut bench = Bench::new(Config::default());
    let connect = Connect {
        password: Some(b"s3cr3t"),
        ..CONNECT
    };
    bench.session.connect(bench.now, &connect).unwrap();
    for text in [format!("{connect:?}"), format!("{:?}", bench.session)] {
        assert!(
            !text.contains("s3cr3t") && !text.contains("115, 51"),
            "{text}"
        );
    }
    assert!(format!("{connect:?}").contains("[redacted]"));
}
