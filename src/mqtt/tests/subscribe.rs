//! SUBSCRIBE and UNSUBSCRIBE.

use super::*;

const FILTERS: [(&str, QoS); 2] = [("a/#", QoS::AtLeastOnce), ("+/b", QoS::AtMostOnce)];

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

#[test]
fn several_filters_go_in_one_packet_and_each_gets_its_answer() {
    let mut bench = Bench::connected(Config::default());
    assert_eq!(bench.session.subscribe(&FILTERS), Ok(id(1)));
    assert_eq!(
        bench.sent(),
        b"\x82\x0e\x00\x01\x00\x03a/#\x01\x00\x03+/b\x00"
    );
    let events = bench.feed(&[0x90, 4, 0, 1, 0, 0x80]);
    let [Event::Subscribed { packet_id, granted }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*packet_id, id(1));
    assert_eq!(granted.as_slice(), [Some(QoS::AtMostOnce), None]);
    assert!(!granted.all());
    assert!(bench.session.is_drained());
}

#[test]
fn unsubscribe_is_answered_too() {
    let mut bench = Bench::connected(Config::default());
    assert_eq!(bench.session.unsubscribe(&["a", "b"]), Ok(id(1)));
    assert_eq!(bench.sent(), b"\xa2\x08\x00\x01\x00\x01a\x00\x01b");
    assert_eq!(
        bench.feed(&[0xb0, 2, 0, 1]),
        [Event::Unsubscribed { packet_id: id(1) }]
    );
}

#[test]
fn an_answer_that_does_not_fit_its_question_is_refused() {
    for (answer, expected) in [
        (
            &[0x90, 3, 0, 1, 1][..],
            Violation::SubackCount {
                expected: 2,
                found: 1,
            },
        ),
        (
            &[0x90, 5, 0, 1, 1, 0, 0],
            Violation::SubackCount {
                expected: 2,
                found: 3,
            },
        ),
        (
            &[0x90, 4, 0, 2, 1, 0],
            Violation::Unasked(PacketType::Suback, 2),
        ),
        (
            &[0xb0, 2, 0, 1],
            Violation::Unasked(PacketType::Unsuback, 1),
        ),
        (&[0x90, 4, 0, 1, 1, 1], Violation::SubackCode(1)),
        (&[0x90, 4, 0, 1, 2, 0], Violation::SubackCode(2)),
        (&[0x90, 4, 0, 1, 3, 0], Violation::SubackCode(3)),
        (&[0x90, 4, 0, 1, 0x81, 0], Violation::SubackCode(0x81)),
    ] {
        let mut bench = Bench::connected(Config::default());
        bench.session.subscribe(&FILTERS).unwrap();
        bench.sent();
        assert_eq!(bench.try_feed(answer), Err(expected.into()));
    }
    let mut bench = Bench::connected(Config::default());
    bench.session.unsubscribe(&["a"]).unwrap();
    assert_eq!(
        bench.try_feed(&[0x90, 3, 0, 1, 0]),
        Err(Violation::Unasked(PacketType::Suback, 1).into())
    );
}

#[test]
fn an_answer_counts_once() {
    let mut bench = Bench::connected(Config::default());
    bench.session.unsubscribe(&["a"]).unwrap();
    bench.feed(&[0xb0, 2, 0, 1]);
    assert_eq!(
        bench.try_feed(&[0xb0, 2, 0, 1]),
        Err(Violation::Unasked(PacketType::Unsuback, 1).into())
    );
}

#[test]
fn requests_that_cannot_be_made_are_refused_and_change_nothing() {
    let mut bench = Bench::connected(Config::default());
    let wrong = |fault| Err(RequestError::Field(Field::TopicFilter, fault));
    for (filter, fault) in [
        ("", Fault::Empty),
        ("a\0", Fault::Nul),
        ("a#", Fault::MisplacedWildcard),
        ("#/a", Fault::MisplacedWildcard),
        ("a+/b", Fault::MisplacedWildcard),
    ] {
        assert_eq!(
            bench.session.subscribe(&[(filter, QoS::AtMostOnce)]),
            wrong(fault)
        );
        assert_eq!(bench.session.unsubscribe(&[filter]), wrong(fault));
    }
    assert_eq!(
        bench.session.subscribe(&[]),
        Err(RequestError::FilterCount(0))
    );
    assert_eq!(
        bench.session.unsubscribe(&["a"; 9]),
        Err(RequestError::FilterCount(9))
    );
    let long = "x".repeat(1020);
    let needed = RequestError::TooLarge {
        buffer: Buffer::Transmit,
        needed: 1028,
        size: 1024,
    };
    assert_eq!(
        bench.session.subscribe(&[(&long, QoS::AtMostOnce)]),
        Err(needed)
    );
    assert_eq!(bench.sent(), []);
    for filter in ["+", "#", "+/+/#", "/", "a//b"] {
        bench
            .session
            .subscribe(&[(filter, QoS::AtMostOnce)])
            .unwrap();
        if bench.session.connection.requests.count() == 4 {
            break;
        }
    }
    assert_eq!(
        bench.session.subscribe(&FILTERS),
        Err(RequestError::TooManyRequests)
    );
    bench.session.disconnected();
    bench.connect();
    assert!(
        bench.session.subscribe(&FILTERS).is_ok(),
        "they died with the connection"
    );
}
