//! The cold store on the bench: with the real device, and with virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use azure_device::bench::{Bench, Memory};
use cold_store::ColdStore;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_door_that_opens_is_sent_and_reported_within_a_second_and_after_an_outage() {
    static IS_OPEN: AtomicBool = AtomicBool::new(false);
    let mut memory = Memory::default();
    let mut bench = Bench::new(
        &mut memory,
        ColdStore::new(|| IS_OPEN.load(Ordering::Relaxed)),
    );
    bench.tick(SECOND);
    bench.sent();
    assert_eq!(bench.reported("doorOpen"), Some("false"));

    IS_OPEN.store(true, Ordering::Relaxed);
    bench.tick(SECOND);
    let sent = bench.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].text(), r#"{"doorOpen":true}"#);
    assert_eq!(sent[0].property("alert"), Some("true"));
    assert_eq!(bench.reported("doorOpen"), Some("true"));

    bench.disconnect();
    IS_OPEN.store(false, Ordering::Relaxed);
    bench.tick(SECOND);
    bench.reconnect();
    bench.tick(SECOND);
    let sent = bench.sent();
    let closed = sent.iter().find(|sent| sent.text().contains("doorOpen"));
    assert_eq!(closed.unwrap().property("alert"), Some("false"));
    assert_eq!(bench.reported("doorOpen"), Some("false"));
}

#[test]
fn a_setpoint_is_taken_refused_with_its_range_or_deleted() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, ColdStore::new(|| false));
    for (desired, status, value) in [
        ("-20.5", 200, "-20.5"),
        ("40", 400, "-20.5"),
        ("null", 203, "-18"),
    ] {
        bench.desire(&format!(r#"{{"setpoint":{desired}}}"#));
        let setpoint = bench.acknowledgement("setpoint").unwrap();
        assert_eq!((setpoint.status, setpoint.value.as_str()), (status, value));
    }
}

#[test]
fn an_alarm_sounds_for_a_minute_and_a_message_silences_it() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, ColdStore::new(|| false));
    let begun = bench.elapsed();
    assert_eq!(bench.call("soundAlarm", "").body, r#"{"silenced":false}"#);
    assert!(bench.elapsed() - begun >= 60 * SECOND);
    assert!(bench.receive(b"silence"));
    assert_eq!(bench.report().messages_taken, 1);
    assert!(bench.receive(b"louder"));
    assert_eq!(bench.report().messages_rejected, 1);
}

#[test]
fn readings_are_sent_at_the_interval_that_the_operator_sets() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, ColdStore::new(|| false));
    bench.sense("temperature", -18_200);
    bench.sense("humidity", 61_500);
    bench.desire(r#"{"climateInterval":600}"#);
    bench.tick(SECOND);
    bench.sent();
    bench.tick(3600 * SECOND);
    let sent = bench.sent();
    assert_eq!(sent.len(), 6);
    let last = sent.last().unwrap();
    assert_eq!(last.text(), r#"{"temperature":-18.2,"humidity":61.5}"#);
}
