//! Acknowledging messages of the server.

use super::*;

/// The tokens of the messages among `events`.
fn tokens(events: &[Event]) -> Vec<AckToken> {
    let token = |event: &Event| match event {
        Event::Message(message) => message.ack(),
        _ => None,
    };
    events.iter().filter_map(token).collect()
}

fn small(id: u16) -> Vec<u8> {
    publish(0x32, "t", Some(id), b"x")
}

#[test]
fn pubacks_go_out_in_the_order_of_the_messages_whatever_the_order_of_acknowledging() {
    let mut bench = Bench::connected(Config::default());
    let segment: Vec<u8> = [30, 10, 20].into_iter().flat_map(small).collect();
    let tokens = tokens(&bench.feed(&segment));
    bench.session.acknowledge(tokens[2]);
    bench.session.acknowledge(tokens[1]);
    assert_eq!(bench.sent(), []);
    assert!(!bench.session.is_drained());
    bench.session.acknowledge(tokens[0]);
    assert_eq!(
        bench.sent(),
        [0x40, 2, 0, 30, 0x40, 2, 0, 10, 0x40, 2, 0, 20]
    );
    assert!(bench.session.is_drained());
}

#[test]
fn acknowledging_twice_sends_one_puback() {
    let mut bench = Bench::connected(Config::default());
    let token = tokens(&bench.feed(&small(1)))[0];
    bench.session.acknowledge(token);
    bench.session.acknowledge(token);
    assert_eq!(bench.sent(), [0x40, 2, 0, 1]);
    bench.session.acknowledge(token);
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.session.statistics().stale_acknowledgements, 2);
}

#[test]
fn a_message_delivered_again_is_marked_and_answered_again() {
    let mut bench = Bench::connected(Config::default());
    let mut segment = small(1);
    segment.extend(publish(0x3a, "t", Some(1), b"x"));
    let events = bench.feed(&segment);
    let Event::Message(again) = &events[1] else {
        panic!("{events:?}")
    };
    assert!(again.dup());
    assert_eq!(bench.session.statistics().duplicates, 1);
    for token in tokens(&events) {
        bench.session.acknowledge(token);
    }
    assert_eq!(bench.sent(), [0x40, 2, 0, 1, 0x40, 2, 0, 1]);
}

#[test]
fn a_token_of_an_earlier_connection_acknowledges_nothing_on_a_new_one() {
    let mut bench = Bench::connected(Config::default());
    let old = tokens(&bench.feed(&small(1)))[0];
    bench.session.disconnected();
    bench.session.acknowledge(old);
    bench.connect();
    let new = tokens(&bench.feed(&small(1)))[0];
    bench.session.acknowledge(old);
    assert_eq!(bench.sent(), [], "another message has this identifier now");
    assert_eq!(bench.session.statistics().stale_acknowledgements, 2);
    bench.session.acknowledge(new);
    assert_eq!(bench.sent(), [0x40, 2, 0, 1]);
}

/// A session that was given one message more than it can have unacknowledged, and the tokens.
fn blocked(config: Config) -> (Bench, Vec<AckToken>) {
    let mut bench = Bench::connected(config);
    let segment: Vec<u8> = (1..=17).flat_map(small).collect();
    let tokens = tokens(&bench.feed(&segment));
    assert_eq!(tokens.len(), 16);
    (bench, tokens)
}

#[test]
fn reading_stops_while_the_application_owes_too_many_acknowledgements() {
    let (mut bench, tokens) = blocked(Config::default());
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    while !bench.session.receive_buffer().is_empty() {
        bench.session.receive_buffer()[0] = 0;
        bench.session.received(1, bench.now);
        assert_eq!(
            bench.session.poll(bench.now),
            Ok(None),
            "what follows is not looked at"
        );
    }
    bench.session.acknowledge(tokens[1]);
    bench.sent();
    assert_eq!(
        bench.session.poll(bench.now),
        Ok(None),
        "the first holds up the second"
    );
    bench.session.acknowledge(tokens[0]);
    assert_eq!(bench.sent(), [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    assert!(
        bench.session.deadline() <= Some(bench.now),
        "there is work to do at once"
    );
    let event = bench.session.poll(bench.now).unwrap();
    assert!(
        matches!(event, Some(Event::Message(message)) if message.ack().unwrap().packet_id().get() == 17)
    );
}

#[test]
fn a_message_of_qos_0_passes_when_no_more_can_be_acknowledged() {
    let mut bench = Bench::connected(Config::default());
    let segment: Vec<u8> = (1..=16).flat_map(small).collect();
    let all = tokens(&bench.feed(&segment));
    assert_eq!(
        messages(&bench.feed(&publish(0x30, "q", None, b""))).len(),
        1
    );
    // A large message waits, and nothing of it is lost.
    let large = publish(0x32, "q", Some(20), &[0; 300]);
    let (start, rest) = large.split_at(200);
    assert_eq!(bench.feed(start), []);
    for token in all {
        bench.session.acknowledge(token);
    }
    assert_eq!(bench.sent().len(), 16 * 4);
    let events = bench.feed(rest);
    let [
        Event::LargeMessage { .. },
        Event::LargeMessageEnd { ack: Some(token) },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(bench.pieces, [0; 300]);
    assert_eq!(bench.sent(), [], "it was not acknowledged yet");
    bench.session.acknowledge(token);
    assert_eq!(bench.sent(), [0x40, 2, 0, 20]);
}

#[test]
fn time_that_the_application_took_does_not_count_against_the_server() {
    let seconds = Duration::from_secs;
    let config = Config {
        keepalive: seconds(60),
        ping_timeout: seconds(10),
        ..Config::default()
    };
    let (mut bench, tokens) = blocked(config);
    bench.session.publish("t", b"").unwrap();
    bench.session.subscribe(&[("f", QoS::AtMostOnce)]).unwrap();
    bench.sent();
    for _ in 0..5 {
        bench.wait(seconds(60));
        assert_eq!(bench.session.deadline(), Some(bench.now));
        assert_eq!(bench.session.poll(bench.now), Ok(None));
        assert_eq!(
            bench.sent(),
            [0xc0, 0],
            "the server hears pings all the while"
        );
    }
    bench.wait(seconds(59));
    for token in tokens {
        bench.session.acknowledge(token);
    }
    bench.sent();
    assert!(matches!(
        bench.session.poll(bench.now),
        Ok(Some(Event::Message(_)))
    ));
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    let answers = [
        0xd0, 0, 0xd0, 0, 0xd0, 0, 0xd0, 0, 0xd0, 0, 0x40, 2, 0, 1, 0x90, 3, 0, 2, 0,
    ];
    assert_eq!(bench.feed(&answers).len(), 2);
    assert!(bench.session.deadline() > Some(bench.now));
}

#[test]
fn pubacks_wait_for_room_and_are_not_lost() {
    let mut bench = Bench::sized(Config::default(), 256, 39, 0);
    bench.connect();
    let segment: Vec<u8> = (1..=16).flat_map(small).collect();
    for token in tokens(&bench.feed(&segment)) {
        bench.session.acknowledge(token);
    }
    let expected: Vec<u8> = (1..=16).flat_map(|id| [0x40, 2, 0, id]).collect();
    assert_eq!(bench.sent(), expected);
}
