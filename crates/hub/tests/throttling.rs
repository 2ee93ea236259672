//! The rates of a tier, when they are switched on.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::dps::*;
use common::*;
use local_hub::{Hub, Message, Throttling, Tier};
use serde_json::{Value, json};

/// S1, with what a test changes.
fn throttled(change: impl FnOnce(&mut Throttling)) -> Hub {
    let mut throttling = Tier::S1.throttling(1);
    change(&mut throttling);
    hub_with(|config| config.throttling = Some(throttling))
}

#[test]
fn telemetry_waits_its_turn() {
    let hub = throttled(|throttling| throttling.telemetry_per_second = 2);
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let started = Instant::now();
    for id in 1..=4 {
        client.send(&publish(&device.events_topic(), Some(id), b"1"));
    }
    for id in 1..=4 {
        client.expect(&[0x40, 2, 0, id]);
    }
    assert!(
        started.elapsed() >= Duration::from_millis(900),
        "two of them waited"
    );
    assert_eq!(hub.events().len(), 4);
}

#[test]
fn a_goodbye_that_waits_behind_telemetry_counts_when_the_client_connects_anew() {
    let hub = throttled(|throttling| throttling.telemetry_per_second = 1);
    let device = Device::create(&hub, "d");
    let with_will = Options {
        will: Some((device.events_topic(), "gone", 0)),
        ..Options::default()
    };
    let mut old = Client::accepted(&hub, &device, with_will);
    for id in 1..=4 {
        old.send(&publish(&device.events_topic(), Some(id), b"1"));
    }
    old.send(&DISCONNECT);
    let mut new = Client::accepted(&hub, &device, Options::default());
    let close = hub.wait_for_close(PATIENCE, |_| true).unwrap();
    assert_eq!(close.reason, "the client sent DISCONNECT");
    new.ping();
    assert!(hub.events().iter().all(|event| event.body == b"1"));
}

#[test]
fn too_much_telemetry_closes_the_connection_without_puback() {
    let hub = throttled(|throttling| throttling.telemetry_per_second = 1);
    let devices: Vec<_> = (0..9)
        .map(|n| Device::create(&hub, &format!("d{n}")))
        .collect();
    let mut clients: Vec<_> = devices
        .iter()
        .map(|device| Client::accepted(&hub, device, Options::default()))
        .collect();
    for (client, device) in clients.iter_mut().zip(&devices) {
        client.send(&publish(&device.events_topic(), Some(1), b"1"));
    }
    let close = hub.wait_for_close(PATIENCE, |close| close.reason.contains("429001"));
    assert!(close.is_some(), "{:?}", hub.closes());
}

#[test]
fn twin_requests_are_answered_with_429() {
    let hub = throttled(|throttling| {
        throttling.twin_reads_per_second = 1;
        throttling.twin_updates_per_second = 1;
    });
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    for (topic, body, success) in [
        ("$iothub/twin/GET/?$rid=1", &b""[..], "200"),
        (
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            b"{}",
            "204",
        ),
    ] {
        // All in one, so that no second passes between them.
        let requests = publish(topic, None, body).repeat(3);
        client.send(&requests);
        let statuses: Vec<_> = (0..3)
            .map(|_| client.publish().topic.split('/').nth(3).unwrap().to_owned())
            .collect();
        assert_eq!(statuses[0], success);
        assert!(statuses.contains(&"429".to_owned()), "{statuses:?}");
    }
    client.ping();
}

#[test]
fn operators_are_refused_with_429001() {
    let hub = throttled(|throttling| {
        throttling.c2d_per_minute = 1;
        throttling.twin_updates_per_second = 1;
        throttling.method_kilobytes_per_second = 4;
    });
    hub.create_sas_device("d").unwrap();
    hub.send_c2d("d", Message::new("a")).unwrap();
    assert_eq!(
        hub.send_c2d("d", Message::new("b")).unwrap_err().code(),
        429_001
    );
    let tags = json!({"tags": {"a": 1}});
    let refused = (0..100).find_map(|_| hub.patch_twin("d", &tags).err());
    assert_eq!(refused.unwrap().code(), 429_001);
    let call = || {
        hub.invoke_method("d", "m", &Value::Null, PATIENCE)
            .unwrap_err()
    };
    assert_eq!(call().code(), 404_103);
    assert_eq!(call().code(), 429_001);
}

#[test]
fn too_many_new_connections_are_closed() {
    let hub = throttled(|throttling| throttling.connections_per_second = 1);
    let device = Device::create(&hub, "d");
    let mut clients: Vec<_> = (0..6).map(|_| Client::open(&hub)).collect();
    for client in &mut clients {
        client.send(&device.connect(Options::default()));
    }
    let close = hub.wait_for_close(PATIENCE, |close| close.reason.contains("new connections"));
    assert!(close.is_some(), "{:?}", hub.closes());
}

/// The status and the seconds to wait of an answer's topic, and the body's error code.
fn refusal((topic, body): &(String, Value)) -> (&str, u32, Value) {
    let (head, query) = topic.split_once("/?").unwrap();
    let wait = query.split_once("&retry-after=").unwrap().1;
    for field in ["trackingId", "message", "timestampUtc"] {
        assert!(body[field].is_string(), "{body}");
    }
    (head, wait.parse().unwrap(), body["errorCode"].clone())
}

#[test]
fn registrations_beyond_those_of_a_minute_are_told_when_to_come_back() {
    let hub = throttled(|throttling| throttling.registrations_per_minute = 2);
    let key = primary_key(&hub.enroll("d", by_keys()).unwrap());
    let mut client = registration(&hub, "d", &key);
    for _ in 0..2 {
        let (topic, _) = register(&mut client, "d");
        assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=3");
    }
    // The PUBACK of the request comes before the refusal.
    let refused = register(&mut client, "d");
    let (head, wait, code) = refusal(&refused);
    assert_eq!(head, "$dps/registrations/res/429");
    assert_eq!(code, 429_001);
    assert!(
        (25..=30).contains(&wait),
        "2 a minute are one in 30 s: {wait}"
    );
    client.ping();
}

#[test]
fn a_registration_may_ask_five_times_in_ten_seconds() {
    let hub = throttled(|_| {});
    let patient = local_hub::Enrollment {
        assigning: 9,
        ..by_keys()
    };
    let key = primary_key(&hub.enroll("d", patient).unwrap());
    let mut client = registration(&hub, "d", &key);
    let (_, body) = register(&mut client, "d");
    let operation = body["operationId"].as_str().unwrap();
    for _ in 0..5 {
        let (topic, _) = ask(&mut client, operation);
        assert_eq!(topic, "$dps/registrations/res/202/?$rid=2&retry-after=3");
    }
    // A new connection does not help.
    let mut client = registration(&hub, "d", &key);
    let refused = ask(&mut client, operation);
    let (head, wait, code) = refusal(&refused);
    assert_eq!(head, "$dps/registrations/res/429");
    assert_eq!(code, 429_001);
    assert!((1..=10).contains(&wait), "{wait}");
}

#[test]
fn a_registration_that_is_too_early_is_served_after_the_time_that_it_was_told() {
    let hub = throttled(|throttling| throttling.registrations_per_minute = 60);
    let key = primary_key(&hub.enroll("d", by_keys()).unwrap());
    let mut client = registration(&hub, "d", &key);
    let refused = (0..200)
        .map(|_| register(&mut client, "d"))
        .find(|(topic, _)| topic.contains("res/429"));
    let (_, wait, _) = refusal(refused.as_ref().unwrap());
    assert_eq!(wait, 1);
    std::thread::sleep(Duration::from_secs(wait.into()));
    assert!(register(&mut client, "d").0.contains("res/202"));
}
