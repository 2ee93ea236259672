//! Time: PINGREQ, and everything that the server owes.

use super::*;

const INTERVAL: Duration = Duration::from_secs(60);

fn config() -> Config {
    Config {
        keepalive: INTERVAL,
        ping_timeout: Duration::from_secs(10),
        ..Config::default()
    }
}

#[test]
fn a_ping_goes_out_when_the_interval_has_passed_and_not_before() {
    let mut bench = Bench::connected(config());
    bench.wait(INTERVAL - Duration::from_millis(1));
    assert_eq!(bench.feed(&[]), []);
    assert_eq!(bench.sent(), []);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.session.deadline(), Some(bench.now));
    assert_eq!(bench.feed(&[]), []);
    assert_eq!(bench.sent(), [0xc0, 0]);
    assert_eq!(bench.feed(&[0xd0, 0]), []);
    assert_eq!(bench.session.deadline(), Some(bench.now.after(INTERVAL)));
}

#[test]
fn anything_sent_postpones_the_ping_but_silence_of_the_server_does_not() {
    let mut bench = Bench::connected(config());
    for _ in 0..2 {
        bench.wait(INTERVAL / 2);
        bench.session.publish_now("t", b"").unwrap();
        assert_eq!(bench.sent()[0], 0x30);
        assert_eq!(bench.feed(&[]), []);
    }
    // Nothing was heard for an interval: the connection may be half-open.
    assert_eq!(bench.sent(), [0xc0, 0]);
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now.after(Duration::from_secs(10)))
    );
    bench.wait(Duration::from_secs(10));
    assert_eq!(
        bench.session.poll(bench.now),
        Err(Error::Timeout(Awaited::Pingresp))
    );
    assert!(!bench.session.is_connected());
}

#[test]
fn while_both_sides_talk_there_is_no_ping() {
    let mut bench = Bench::connected(config());
    for _ in 0..5 {
        bench.wait(INTERVAL / 2);
        bench.session.publish_now("t", b"").unwrap();
        assert_eq!(bench.sent()[0], 0x30);
        assert_eq!(bench.feed(&publish(0x30, "t", None, b"")).len(), 1);
        assert_eq!(bench.session.deadline(), Some(bench.now.after(INTERVAL)));
    }
}

#[test]
fn a_server_that_still_talks_has_not_timed_out() {
    let mut bench = Bench::connected(config());
    bench.wait(INTERVAL);
    bench.feed(&[]);
    assert_eq!(bench.sent(), [0xc0, 0]);
    for _ in 0..3 {
        bench.wait(Duration::from_secs(9));
        assert_eq!(bench.feed(&publish(0x30, "t", None, b"")).len(), 1);
    }
    bench.feed(&[0xd0, 0]);
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.feed(&[]), []);
}

#[test]
fn a_transport_that_takes_nothing_is_found_out() {
    let mut bench = Bench::connected(config());
    bench.wait(INTERVAL);
    bench.feed(&[]);
    assert_eq!(bench.session.transmit(), [0xc0, 0]);
    let deadline = bench.session.deadline().unwrap();
    assert!(deadline > bench.now, "a deadline in the past would spin");
    bench.now = deadline;
    assert_eq!(
        bench.session.poll(bench.now),
        Err(Error::Timeout(Awaited::Pingresp))
    );
}

#[test]
fn a_keepalive_of_zero_sends_no_pings() {
    let mut bench = Bench::connected(Config {
        keepalive: Duration::ZERO,
        ..config()
    });
    assert_eq!(bench.session.deadline(), None);
    bench.wait(Duration::from_secs(100_000));
    assert_eq!(bench.feed(&[]), []);
    assert_eq!(bench.sent(), []);
}

#[test]
fn connack_is_awaited_for_its_time_only() {
    let mut bench = Bench::new(config());
    bench.session.connect(bench.now, &CONNECT).unwrap();
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now.after(Duration::from_secs(30)))
    );
    bench.wait(Duration::from_millis(29_999));
    assert_eq!(bench.session.poll(bench.now), Ok(None));
    bench.wait(Duration::from_millis(1));
    assert_eq!(
        bench.session.poll(bench.now),
        Err(Error::Timeout(Awaited::Connack))
    );
}

#[test]
fn a_connack_that_came_in_time_counts_even_if_it_is_looked_at_late() {
    let mut bench = Bench::new(config());
    bench.session.connect(bench.now, &CONNECT).unwrap();
    bench.sent();
    bench.wait(Duration::from_secs(31));
    assert_eq!(
        bench.feed(CONNACK),
        [Event::Connected {
            session_present: false
        }]
    );
}

#[test]
fn the_oldest_message_in_flight_has_its_time_and_the_next_has_its_own() {
    let mut bench = Bench::connected(Config {
        keepalive: Duration::ZERO,
        ..config()
    });
    bench.wait(Duration::from_secs(1_000));
    for payload in [b"1", b"2", b"3"] {
        bench.session.publish("t", payload).unwrap();
    }
    bench.sent();
    bench.wait(Duration::from_secs(59));
    assert_eq!(
        bench.feed(&[0x40, 2, 0, 2]).len(),
        1,
        "not the oldest: its time goes on"
    );
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now.after(Duration::from_secs(1)))
    );
    assert_eq!(bench.feed(&[0x40, 2, 0, 1]).len(), 1);
    bench.wait(Duration::from_secs(59));
    assert_eq!(bench.feed(&[]), []);
    bench.wait(Duration::from_secs(1));
    assert_eq!(
        bench.session.poll(bench.now),
        Err(Error::Timeout(Awaited::Puback))
    );
    assert_eq!(
        bench.session.outbox_count(),
        1,
        "it is kept for the next connection"
    );
}

#[test]
fn an_unanswered_subscribe_times_out() {
    let mut bench = Bench::connected(Config {
        keepalive: Duration::ZERO,
        ..config()
    });
    bench.session.subscribe(&[("t", QoS::AtMostOnce)]).unwrap();
    bench.sent();
    bench.wait(Duration::from_secs(60));
    assert_eq!(
        bench.session.poll(bench.now),
        Err(Error::Timeout(Awaited::Suback))
    );
}

#[test]
fn iot_hub_s_longest_keepalive_stays_below_its_limit() {
    // 1.5 times the interval may not exceed 1767 s.
    assert!(IOT_HUB_MAX_KEEPALIVE.as_secs() * 3 / 2 <= 1767);
}
