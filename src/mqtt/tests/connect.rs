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
