//! Each thing that an application may do, on the bench.

use core::time::Duration;
use std::vec::Vec;

use super::*;
use crate::application::{
    CloudMessage, Context, Event, Message, Method, Outcome, Property, Receipt, Refusal, Reported,
    Stream, standard,
};
use crate::json::Slot;
use crate::mqtt::AckToken;
use crate::report::Cause;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const MODES: &[&str] = &["off", "cool", "defrost"];

/// A cold store.
#[derive(Debug, Default)]
struct Store {
    setpoint: i64,
    mode: usize,
    is_open: bool,
    limits: [i64; 2],
    events: Vec<String>,
    kept: Option<AckToken>,
    counted: i64,
}

impl Store {
    fn climate(&mut self, message: &mut Message<'_>, _: &mut Context<'_>) {
        let readings = message.readings();
        message.object(|object| {
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
            object.boolean("doorOpen", self.is_open);
        });
        if self.is_open {
            message.property("alert", true);
        }
    }

    fn door(&mut self, message: &mut Message<'_>, device: &mut Context<'_>) {
        message.message_id(format_args!("door-{}", device.now().as_millis()));
        message.array(|array| {
            array.boolean(self.is_open).integer(self.counted);
        });
        message.correlation_id("c 1");
    }

    fn take_limits(&mut self, value: Value<'_>) -> Result<(), Refusal> {
        let Some(elements) = value.as_array() else {
            return Err("must be an array".into());
        };
        let limits: Vec<_> = elements.map(Value::as_i64).collect();
        match limits[..] {
            [Some(low), Some(high)] if low < high => self.limits = [low, high],
            _ => return Err(Refusal::with("two numbers of {} to {}", [-40, 40])),
        }
        Ok(())
    }
}

impl Application for Store {
    const STREAMS: &'static [Stream<Self>] = &[
        Stream::new("climate", Self::climate),
        Stream::new("door", Self::door)
            .on_request()
            .of_component("entrance"),
        Stream::new("heartbeat", |_, message, _| message.bytes("", b"\x00\xff"))
            .every(Duration::from_secs(3600))
            .at_most_once(),
    ];

    const PROPERTIES: &'static [Property<Self>] = &[
        Property::interval("interval", "climate"),
        Property::decimal(
            "setpoint",
            1,
            -300..=100,
            |store, value, _| store.setpoint = value.unwrap_or(40),
            |store| store.setpoint,
        ),
        Property::choice(
            "mode",
            MODES,
            |store, value, _| store.mode = value.unwrap_or(0),
            |store| store.mode,
        ),
        Property::new(
            "limits",
            |store, value, _| store.take_limits(value),
            |store, _, value| {
                value.array(|array| {
                    array.integer(store.limits[0]).integer(store.limits[1]);
                });
            },
        ),
    ];

    const REPORTED: &'static [Reported<Self>] = &[
        Reported::constant("model", "cold store"),
        Reported::new("doorOpen", |store, _, value| value.boolean(store.is_open)),
        Reported::new("entrance*count", |store, _, value| {
            value.integer(store.counted)
        }),
        standard::queued(),
    ];

    const METHODS: &'static [Method<Self>] = &[
        standard::reboot(),
        Method::new("open", |store, _, device, result| {
            store.is_open = true;
            store.counted += 1;
            device.send("door");
            device.report_changed("doorOpen");
            device.report_changed("entrance*count");
            result.integer(store.counted);
            Outcome::Done(200)
        }),
        Method::new("alarm", |_, call, device, result: Slot<'_, '_>| {
            if call.again {
                result.string("over");
                return Outcome::Done(200);
            }
            Outcome::Later(device.now().after(MINUTE))
        }),
        Method::new("timer", |_, call, device, result| {
            let Some(seconds) = call.argument("seconds").and_then(Value::as_i64) else {
                return Outcome::bad_payload("pass the seconds");
            };
            device.set_timer(Some(
                device.now().after(SECOND * u32::try_from(seconds).unwrap()),
            ));
            result.null();
            Outcome::Done(202)
        }),
        Method::new("take", |store, _, device, result| {
            result.boolean(
                store
                    .kept
                    .take()
                    .is_some_and(|token| device.acknowledge(token)),
            );
            Outcome::Done(200)
        }),
        Method::new("unknownNames", |_, _, device, _| {
            device.send("nothing");
            device.set_interval("nothing", None);
            device.report_changed("nothing");
            Outcome::Done(200)
        }),
    ];

    fn receive(&mut self, message: &CloudMessage<'_>, device: &mut Context<'_>) -> Receipt {
        assert!(device.unix().is_some());
        match message.body {
            b"later" => {
                self.kept = message.token;
                Receipt::Later
            }
            b"bad" => Receipt::Rejected("it is bad"),
            _ => Receipt::Accepted,
        }
    }

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        let name = std::format!("{event:?}");
        let name = name.split([' ', '(']).next().unwrap();
        self.events
            .push(std::format!("{name} {}", device.now().as_millis() / 1000));
    }
}

fn bodies(sent: &[Sent]) -> Vec<&str> {
    sent.iter()
        .filter(|sent| sent.at_least_once)
        .map(Sent::text)
        .collect()
}

#[test]
fn each_stream_has_its_own_interval_properties_and_quality_of_service() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.sense("temperature", 4_250);
    bench.tick(60 * MINUTE);
    let sent = bench.sent();
    let heartbeats: Vec<_> = sent.iter().filter(|sent| !sent.at_least_once).collect();
    assert_eq!(heartbeats.len(), 2);
    assert_eq!(heartbeats[1].at, 60 * MINUTE);
    assert_eq!(heartbeats[1].body, b"\x00\xff");
    assert_eq!(heartbeats[1].property("$.ct"), None);
    let climate = bodies(&sent);
    assert_eq!(climate.len(), 61);
    assert_eq!(climate[60], r#"{"temperature":4.25,"doorOpen":false}"#);
    let last = sent.iter().rfind(|sent| sent.at_least_once).unwrap();
    assert_eq!(last.property("$.ct"), Some("application/json"));
    assert_eq!(last.property("alert"), None);
    assert_eq!(
        last.property("iothub-creation-time-utc"),
        Some("2026-06-01T01:00:00.000Z")
    );
    bench.desire(r#"{"interval":600}"#);
    bench.tick(60 * MINUTE);
    assert_eq!(bodies(&bench.sent()).len(), 6);
}

#[test]
fn a_change_is_sent_and_reported_at_once_with_what_belongs_to_it() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.tick(SECOND);
    bench.sent();
    let patches = bench.patches();
    let answer = bench.call("open", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"));
    let sent = bench.sent();
    assert_eq!(bodies(&sent), ["[true,1]"]);
    assert_eq!(sent[0].property("$.sub"), Some("entrance"));
    assert_eq!(sent[0].property("$.cid"), Some("c 1"));
    assert_eq!(sent[0].property("$.mid"), Some("door-1000"));
    assert_eq!(bench.patches(), patches + 1, "both changes are one patch");
    assert_eq!(bench.reported("doorOpen"), Some("true"));
    assert_eq!(bench.reported("entrance"), Some(r#"{"__t":"c","count":1}"#));
    bench.tick(MINUTE);
    assert_eq!(bench.sent()[0].property("alert"), Some("true"));
}

#[test]
fn what_changes_without_a_connection_is_reported_with_the_next() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.disconnect();
    bench.desire(r#"{"mode":"cool"}"#);
    bench.application().is_open = true;
    bench.tick(10 * MINUTE);
    assert_eq!(bench.application().mode, 0);
    assert_eq!(bodies(&bench.sent()).len(), 1);
    bench.reconnect();
    assert_eq!(bench.application().mode, 1);
    assert_eq!(bench.reported("doorOpen"), Some("true"));
    bench.tick(SECOND);
    assert_eq!(
        bodies(&bench.sent()).len(),
        10,
        "what was measured meanwhile"
    );
}

#[test]
fn values_are_taken_by_their_kind_or_refused_with_a_reason() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.desire(r#"{"setpoint":-18.5,"mode":"defrost","limits":[-20,-10]}"#);
    let store = bench.application();
    assert_eq!(
        (store.setpoint, store.mode, store.limits),
        (-185, 2, [-20, -10])
    );
    assert_eq!(bench.acknowledgement("setpoint").unwrap().value, "-18.5");
    assert_eq!(bench.acknowledgement("mode").unwrap().value, r#""defrost""#);
    assert_eq!(bench.acknowledgement("limits").unwrap().value, "[-20,-10]");
    for (patch, name, reason) in [
        (
            r#"{"setpoint":10.1}"#,
            "setpoint",
            "must be a number from -30 to 10 with one decimal at most",
        ),
        (
            r#"{"setpoint":"4"}"#,
            "setpoint",
            "must be a number from -30 to 10 with one decimal at most",
        ),
        (
            r#"{"mode":"heat"}"#,
            "mode",
            "must be one of the values that the model lists",
        ),
        (
            r#"{"limits":[1,"2"]}"#,
            "limits",
            "two numbers of -40 to 40",
        ),
        (
            r#"{"interval":-1}"#,
            "interval",
            "must be a whole number of seconds from 0 (on request only) to 86400",
        ),
    ] {
        bench.desire(patch);
        let acknowledgement = bench.acknowledgement(name).unwrap();
        assert_eq!(
            (
                acknowledgement.status,
                acknowledgement.description.as_deref()
            ),
            (400, Some(reason))
        );
    }
    bench.desire(r#"{"setpoint":null,"mode":null}"#);
    assert_eq!(
        (bench.application().setpoint, bench.application().mode),
        (40, 0)
    );
    assert_eq!(bench.acknowledgement("setpoint").unwrap().status, 203);
}

#[test]
fn a_slow_method_a_timer_and_a_refusal_take_their_time_and_their_status() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    let begun = bench.elapsed();
    assert_eq!(bench.call("alarm", "").body, r#""over""#);
    assert!(bench.elapsed() - begun >= MINUTE);
    let refused = bench.call("timer", "{}");
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (400, r#"{"error":"pass the seconds"}"#)
    );
    let done = bench.call("timer", r#"{"seconds":90}"#);
    assert_eq!((done.status, done.body.as_str()), (202, "null"));
    // The timer comes without a connection too.
    bench.disconnect();
    bench.tick(5 * MINUTE);
    let timers = bench
        .application()
        .events
        .iter()
        .filter(|event| event.starts_with("Timer"));
    assert_eq!(timers.collect::<Vec<_>>(), ["Timer 150"]);
    bench.reconnect();
    assert_eq!(bench.call("unknownNames", "").status, 200);
    assert_eq!(bench.call("nothing", "").status, 404);
}

#[test]
fn the_application_hears_of_the_life_of_its_connection() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.tick(SECOND);
    bench.disconnect();
    bench.tick(30 * SECOND);
    bench.reconnect();
    bench.stop();
    let mut events = bench.application().events.clone();
    events.dedup_by_key(|event| event.split(' ').next().unwrap().to_string());
    let names: Vec<_> = events
        .iter()
        .map(|event| event.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "TimeSet",
            "Connected",
            "Disconnected",
            "NotConnected",
            "Connected",
            "Stopping",
            "Disconnected"
        ]
    );
    assert!(bench.has_ended());
}

#[test]
fn a_restart_that_a_method_asks_for_is_answered_first() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    assert_eq!(bench.call("reboot", "").body, "{}");
    bench.tick(SECOND);
    assert!(bench.has_ended());
}

#[test]
fn a_message_is_taken_refused_or_kept_for_later() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    assert!(bench.receive(b"good"));
    assert!(bench.receive(b"bad"), "MQTT has no other answer");
    let report = *bench.report();
    assert_eq!((report.messages_taken, report.messages_rejected), (1, 1));
    assert!(!bench.receive(b"later"));
    bench.tick(MINUTE);
    assert_eq!(bench.acknowledged(), 2);
    assert_eq!(bench.call("take", "").body, "true");
    assert_eq!(
        (bench.acknowledged(), bench.report().messages_taken),
        (3, 2)
    );
}

#[test]
fn a_message_of_another_thread_goes_out_with_its_data_and_its_outcome_is_told() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.tick(SECOND);
    bench.sent();
    let properties = [("alert", "true"), ("place", "a/b & c")];
    let alarm = Submission::json(r#"{"door":"open"}"#)
        .properties(&properties)
        .of_component("entrance")
        .correlation_id("7")
        .confirmed();
    let ticket = bench.submit(&alarm).unwrap().unwrap();
    let sent = bench.sent();
    assert_eq!(bodies(&sent), [r#"{"door":"open"}"#]);
    for (key, value) in [
        ("alert", "true"),
        ("place", "a/b & c"),
        ("$.sub", "entrance"),
        ("$.cid", "7"),
        ("$.ct", "application/json"),
        ("$.ce", "utf-8"),
        ("iothub-creation-time-utc", "2026-06-01T00:00:01.000Z"),
    ] {
        assert_eq!(sent[0].property(key), Some(value), "{key}");
    }
    assert_eq!(bench.outcomes(), [(ticket, Delivery::Delivered)]);
    // Without a connection it waits, with the time at which it was made; at QoS 0 it is dropped, and told.
    bench.disconnect();
    bench
        .submit(&Submission::bytes(b"waits").message_id("own").confirmed())
        .unwrap();
    let lost = bench
        .submit(&Submission::bytes(b"lost").at_most_once().confirmed())
        .unwrap()
        .unwrap();
    assert_eq!(
        bench.outcomes(),
        [(lost, Delivery::Dropped(Cause::NotConnected))]
    );
    bench.tick(30 * SECOND);
    bench.reconnect();
    bench.tick(SECOND);
    let sent = bench.sent();
    let waited = sent.iter().find(|sent| sent.body == b"waits").unwrap();
    assert_eq!(waited.property("$.mid"), Some("own"));
    assert_eq!(
        waited.property("iothub-creation-time-utc"),
        Some("2026-06-01T00:00:01.000Z")
    );
    assert_eq!(bench.outcomes().len(), 1);
    let report = bench.report();
    let known = report.telemetry_acknowledged + u64::from(report.queued) + report.dropped.total();
    assert_eq!(report.telemetry_due, known);
}

#[test]
fn the_senders_of_messages_that_an_overflow_drops_are_told_and_tickets_are_given_again() {
    let mut memory = Memory::default();
    memory.outbox.truncate(1250);
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.disconnect();
    for round in 0..3 {
        let first = bench
            .submit(&Submission::bytes(&[1; 300]).confirmed())
            .unwrap()
            .unwrap();
        for _ in 0..3 {
            bench.submit(&Submission::bytes(&[2; 300])).unwrap();
        }
        assert_eq!(
            bench.outcomes(),
            [(first, Delivery::Dropped(Cause::OverflowOldest))],
            "round {round}"
        );
    }
    for _ in 0..8 {
        bench.submit(&Submission::bytes(b"1").confirmed()).unwrap();
    }
    let more = bench.submit(&Submission::bytes(b"1").confirmed());
    assert_eq!(more, Err(SendError::TooManyTickets));
}

#[test]
fn a_day_passes_without_a_spin() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Store::default());
    bench.tick(24 * 60 * MINUTE);
    assert_eq!(bodies(&bench.sent()).len(), 24 * 60 + 1);
    assert_eq!(bench.report().failures, 0);
}
