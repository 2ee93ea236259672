//! Everything that an application may do, with a hub.

use std::sync::mpsc;
use std::time::Duration;

use azure_device::application::{
    Application, CloudMessage, Context, Message as Body, Method, Outcome, Property, Receipt,
    Refusal, Reported, Stream, standard,
};
use azure_device::json::Value as Json;
use azure_device::mqtt::AckToken;
use azure_device::outlet::{Delivery, SendError, Submission};
use azure_device::report::Cause;
use azure_device_host::runner::DeviceThread;
use local_hub::{Ack, Event, Fault, Hub, Message, MethodResponse};
use serde_json::{Value, json};

use crate::program::PATIENCE;
use crate::support::{access, desire, hub, start_with, wait_for_reported};

const MODES: &[&str] = &["off", "cool", "defrost"];

/// A cold store that sends on request only.
#[derive(Clone, Default)]
struct Store {
    door_is_open: bool,
    /// Tenths of a degree.
    setpoint: i64,
    mode: usize,
    limits: [i64; 2],
    kept: Option<AckToken>,
}

impl Application for Store {
    const STREAMS: &'static [Stream<Self>] = &[
        Stream::new("door", Self::door)
            .on_request()
            .of_component("entrance"),
        Stream::new("binary", Self::binary).on_request(),
        Stream::new("once", |_, message, _| message.bytes("", b"once"))
            .on_request()
            .at_most_once(),
    ];

    const PROPERTIES: &'static [Property<Self>] = &[
        Property::decimal(
            "setpoint",
            1,
            -300..=100,
            |store, tenths, _| store.setpoint = tenths.unwrap_or(40),
            |store| store.setpoint,
        ),
        Property::choice(
            "mode",
            MODES,
            |store, mode, _| store.mode = mode.unwrap_or(0),
            |store| store.mode,
        ),
        Property::new(
            "limits",
            |store, value, _| store.take_limits(value),
            |store, _, value| {
                value.array(|limits| {
                    limits.integer(store.limits[0]).integer(store.limits[1]);
                });
            },
        ),
    ];

    const REPORTED: &'static [Reported<Self>] = &[
        Reported::constant("hardware", "cold store 2"),
        Reported::new("doorOpen", |store, _, value| {
            value.boolean(store.door_is_open);
        }),
        Reported::new("entrance*moves", |_, device, value| {
            value.integer(device.report().connections.into());
        }),
        standard::queued(),
    ];

    const METHODS: &'static [Method<Self>] = &[
        Method::new("open", |store, _, device, result| {
            store.door_is_open = true;
            device.send("door");
            device.report_changed("doorOpen");
            device.report_changed("entrance*moves");
            result.boolean(true);
            Outcome::Done(200)
        }),
        Method::new("send", |_, call, device, _| {
            for name in ["binary", "once"] {
                if call
                    .payload
                    .and_then(Json::as_text)
                    .is_some_and(|text| text.is(name))
                {
                    device.send(name);
                }
            }
            Outcome::Done(200)
        }),
        Method::new("alarm", |_, call, device, result| {
            if !call.again {
                return Outcome::Later(device.now().after(Duration::from_secs(1)));
            }
            result.string("silenced");
            Outcome::Done(202)
        }),
        Method::new("take", |store, _, device, result| {
            let kept = store.kept.take();
            result.boolean(kept.is_some_and(|token| device.acknowledge(token)));
            Outcome::Done(200)
        }),
    ];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        match message.body {
            b"silence" => Receipt::Accepted,
            b"later" => {
                self.kept = message.token;
                Receipt::Later
            }
            _ => Receipt::Rejected("the message is none of: silence, later"),
        }
    }
}

impl Store {
    fn door(&mut self, message: &mut Body<'_>, _: &mut Context<'_>) {
        message.array(|samples| {
            samples.boolean(self.door_is_open).integer(self.setpoint);
        });
        message.property("alert", self.door_is_open);
        message.property("place", "a/b & c");
        message.correlation_id(7);
    }

    fn binary(&mut self, message: &mut Body<'_>, _: &mut Context<'_>) {
        message.cbor(|body| {
            body.map(1)?.str("open")?.bool(self.door_is_open)?;
            Ok(())
        });
    }

    fn take_limits(&mut self, value: Json<'_>) -> Result<(), Refusal> {
        let limits: Vec<_> = value.as_array().into_iter().flatten().collect();
        let [low, high] = limits[..] else {
            return Err("must be an array of two numbers".into());
        };
        match (low.as_i64(), high.as_i64()) {
            (Some(low), Some(high)) if low < high => self.limits = [low, high],
            _ => return Err(Refusal::with("must rise from {} to {} at most", [-40, 40])),
        }
        Ok(())
    }
}

/// A cold store on a hub, as `device`, that has reported its properties.
fn join() -> (Hub, DeviceThread) {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let device = start_with(&access(&hub, &connection_string), |_| {}, Store::default());
    wait_for_reported(&hub, "device", |reported| reported["hardware"].is_string());
    (hub, device)
}

fn call(hub: &Hub, name: &str, payload: &Value) -> MethodResponse {
    hub.invoke_method("device", name, payload, PATIENCE)
        .unwrap()
}

/// Waits for an event with this body.
#[track_caller]
fn wait_for_body(hub: &Hub, body: &[u8]) -> Event {
    let is_it = |event: &Event| event.body == body;
    let (found, events) = hub.wait_for_events(PATIENCE, |events| events.iter().any(is_it));
    assert!(found, "{events:?}");
    events.into_iter().find(is_it).unwrap()
}

/// Sends a message as another thread, whose outcome comes out of the channel.
fn send(
    device: &DeviceThread,
    message: &Submission<'_>,
) -> Result<mpsc::Receiver<Delivery>, SendError> {
    let (told, outcome) = mpsc::channel();
    // A test that does not care has dropped its end.
    let notify = move |delivery| told.send(delivery).unwrap_or_default();
    device.remote().send_confirmed(message, notify)?;
    Ok(outcome)
}

#[test]
fn the_hub_stores_a_message_of_another_thread_with_its_properties_and_its_sender_is_told() {
    let (hub, device) = join();
    let properties = [("alert", "true"), ("place", "a/b & c")];
    let alarm = Submission::json(r#"{"door":"open"}"#)
        .properties(&properties)
        .of_component("entrance")
        .message_id("own")
        .correlation_id("7");
    let outcome = send(&device, &alarm).unwrap();
    assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Delivery::Delivered));
    let events = hub.events();
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        event.to_json()["event"]["payload"],
        json!({ "door": "open" })
    );
    assert_eq!(event.annotations["dt-subject"], "entrance");
    assert_eq!(event.system["message_id"], "own");
    assert_eq!(event.system["correlation_id"], "7");
    assert_eq!(event.system["content_type"], "application/json");
    assert_eq!(event.properties["alert"].as_deref(), Some("true"));
    assert_eq!(event.properties["place"].as_deref(), Some("a/b & c"));
    assert!(event.properties.contains_key("iothub-creation-time-utc"));
    assert_eq!(device.stop().telemetry_acknowledged, 1);
}

#[test]
fn messages_of_many_threads_arrive_each_once_or_are_refused_at_once() {
    let (hub, device) = join();
    let threads = 4;
    let taken: usize = std::thread::scope(|scope| {
        let send_some = |thread: usize| {
            let remote = device.remote();
            move || {
                let send = |number: usize| {
                    use azure_device::outlet::Outlet;
                    let body = format!("{thread} {number}");
                    remote.send(&Submission::bytes(body.as_bytes())).is_ok()
                };
                (0..50).filter(|number| send(*number)).count()
            }
        };
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(send_some(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(taken, threads * 50, "64 KB take them all");
    let (all, events) = hub.wait_for_events(PATIENCE, |events| events.len() >= taken);
    assert!(all, "{} of {taken}", events.len());
    let mut bodies: Vec<_> = events.into_iter().map(|event| event.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), taken);
    assert_eq!(device.stop().dropped.total(), 0);
}

#[test]
fn quality_of_service_0_needs_no_acknowledgement_and_is_dropped_without_a_connection() {
    let (hub, device) = join();
    hub.inject("device", Fault::SuppressPuback).unwrap();
    let kept = send(&device, &Submission::bytes(b"kept")).unwrap();
    let once = send(&device, &Submission::bytes(b"at most once").at_most_once()).unwrap();
    assert_eq!(once.recv_timeout(PATIENCE), Ok(Delivery::Delivered));
    wait_for_body(&hub, b"at most once");
    wait_for_body(&hub, b"kept");
    assert_eq!(call(&hub, "send", &json!("once")).status, 200);
    let once = wait_for_body(&hub, b"once");
    assert!(!once.system.contains_key("content_type"), "{once:?}");
    assert!(kept.try_recv().is_err(), "its PUBACK has not come");

    hub.inject(
        "device",
        Fault::RefuseConnect {
            code: 3,
            times: 1000,
        },
    )
    .unwrap();
    hub.disconnect("device");
    assert!(hub.wait_connected("device", false, PATIENCE));
    // The device may not have noticed yet: then the message went into the closed connection.
    let lost = loop {
        let lost = send(&device, &Submission::bytes(b"lost").at_most_once()).unwrap();
        match lost.recv_timeout(PATIENCE).unwrap() {
            Delivery::Delivered => std::thread::sleep(Duration::from_millis(10)),
            lost => break lost,
        }
    };
    assert_eq!(lost, Delivery::Dropped(Cause::NotConnected));
    hub.clear_faults("device");
    device.remote().retry_now();
    assert_eq!(kept.recv_timeout(PATIENCE), Ok(Delivery::Delivered));
    assert!(hub.events().iter().all(|event| event.body != b"lost"));
    device.stop();
}

#[test]
fn a_stream_of_a_component_sends_an_array_with_properties_when_it_is_asked() {
    let (hub, device) = join();
    assert_eq!(call(&hub, "open", &Value::Null).payload, json!(true));
    let event = wait_for_body(&hub, b"[true,0]");
    assert_eq!(event.annotations["dt-subject"], "entrance");
    assert_eq!(event.system["correlation_id"], "7");
    assert_eq!(event.properties["alert"].as_deref(), Some("true"));
    assert_eq!(event.properties["place"].as_deref(), Some("a/b & c"));
    device.stop();
}

#[test]
fn a_cbor_body_arrives_with_its_content_type() {
    let (hub, device) = join();
    assert_eq!(call(&hub, "send", &json!("binary")).status, 200);
    // RFC 8949: a map of one pair, a text of four bytes, false.
    let event = wait_for_body(&hub, b"\xa1\x64open\xf4");
    assert_eq!(event.system["content_type"], "application/cbor");
    device.stop();
}

#[test]
fn what_changed_is_reported_within_the_connection_in_one_patch() {
    let (hub, device) = join();
    let before = wait_for_reported(&hub, "device", |reported| {
        reported["entrance"]["moves"].is_number() && reported["limits"].is_object()
    });
    assert_eq!(before["doorOpen"], false);
    call(&hub, "open", &Value::Null);
    let after = wait_for_reported(&hub, "device", |reported| reported["doorOpen"] == true);
    let version = |reported: &Value| reported["$version"].as_u64().unwrap();
    assert_eq!(version(&after), version(&before) + 1);
    assert_eq!(after["entrance"], json!({ "__t": "c", "moves": 1 }));
    assert_eq!(device.stop().connections, 1);
}

#[test]
fn a_message_of_the_cloud_is_accepted_rejected_or_acknowledged_later() {
    let (hub, device) = join();
    let message = |body: &str| Message {
        message_id: Some(body.into()),
        ack: Some(Ack::Full),
        ..Message::new(body)
    };
    hub.send_c2d("device", message("silence")).unwrap();
    hub.send_c2d("device", message("nonsense")).unwrap();
    hub.send_c2d("device", message("later")).unwrap();
    let wait_for_pending = |wanted: usize| {
        let start = std::time::Instant::now();
        while hub.pending_c2d("device") != wanted {
            assert!(start.elapsed() < PATIENCE, "{}", hub.pending_c2d("device"));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for_pending(1);
    // The hub waits for the one that was kept, also over a lost connection, after which it comes again.
    hub.disconnect("device");
    assert!(hub.wait_connected("device", false, PATIENCE));
    device.remote().retry_now();
    let start = std::time::Instant::now();
    // A call that comes before the message does takes the one of the connection before, which has no effect.
    while hub.pending_c2d("device") != 0 {
        let _ = hub.invoke_method("device", "take", &Value::Null, PATIENCE);
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    let feedback = hub.take_feedback().unwrap();
    let ids: Vec<_> = feedback
        .iter()
        .map(|record| record.original_message_id.as_str())
        .collect();
    assert_eq!(ids, ["silence", "nonsense", "later"]);
    let report = device.stop();
    assert_eq!((report.messages_taken, report.messages_rejected), (2, 1));
}

#[test]
fn decimals_choices_and_arrays_are_set_in_the_twin_or_refused_with_a_reason() {
    let (hub, device) = join();
    let set = |patch: Value, name: &str| {
        let before = hub.twin("device").unwrap()["properties"]["desired"]["$version"].clone();
        let version = before.as_u64().unwrap() + 1;
        desire(&hub, "device", patch);
        let in_time = |reported: &Value| reported[name]["av"] == version;
        let reported = wait_for_reported(&hub, "device", in_time);
        let mut reported = reported[name].clone();
        reported.as_object_mut().unwrap().remove("av");
        reported
    };
    let refused = |value: Value, reason: &str| json!({ "value": value, "ac": 400, "ad": reason });
    let good = |value: Value| json!({ "value": value, "ac": 200 });
    assert_eq!(
        set(json!({ "setpoint": -18.5 }), "setpoint"),
        good(json!(-18.5))
    );
    assert_eq!(
        set(json!({ "setpoint": -18.55 }), "setpoint"),
        refused(
            json!(-18.5),
            "must be a number from -30 to 10 with one decimal at most"
        )
    );
    assert_eq!(
        set(json!({ "mode": "defrost" }), "mode"),
        good(json!("defrost"))
    );
    assert_eq!(
        set(json!({ "mode": "heat" }), "mode"),
        refused(
            json!("defrost"),
            "must be one of the values that the model lists"
        )
    );
    assert_eq!(
        set(json!({ "limits": [-20, -10] }), "limits"),
        good(json!([-20, -10]))
    );
    assert_eq!(
        set(json!({ "limits": [1, "2"] }), "limits"),
        refused(json!([-20, -10]), "must rise from -40 to 40 at most")
    );
    device.stop();
}

#[test]
fn a_slow_method_gives_any_json_while_the_device_goes_on() {
    let (hub, device) = join();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| call(&hub, "alarm", &Value::Null));
        let outcome = send(&device, &Submission::bytes(b"meanwhile")).unwrap();
        assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Delivery::Delivered));
        let answer = slow.join().unwrap();
        assert_eq!((answer.status, answer.payload), (202, json!("silenced")));
    });
    device.stop();
}
