//! Direct methods over real TLS.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::*;
use local_hub::{Error, Hub, MethodResponse};
use serde_json::{Value, json};

const FILTER: &str = "$iothub/methods/POST/#";

fn method_client(hub: &Hub, device: &Device) -> Client {
    let mut client = Client::accepted(hub, device, Options::default());
    client.send(&subscribe(1, &[(FILTER, 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    client
}

/// Calls `name` on device `d` while `device` plays the device's part.
fn call(
    hub: &Hub,
    name: &str,
    payload: &Value,
    timeout: Duration,
    device: impl FnOnce(),
) -> Result<MethodResponse, Error> {
    thread::scope(|scope| {
        let caller = scope.spawn(|| hub.invoke_method("d", name, payload, timeout));
        device();
        caller.join().unwrap()
    })
}

/// Takes the next request; gives its request id.
fn request(client: &mut Client, name: &str, payload: &[u8]) -> String {
    let message = client.publish();
    assert_eq!(message.first, 0x30);
    assert_eq!(message.payload, payload);
    let rid = message
        .topic
        .strip_prefix(&format!("$iothub/methods/POST/{name}/?$rid="));
    rid.unwrap().to_owned()
}

fn answer(status: &str, rid: &str, payload: &[u8]) -> Vec<u8> {
    publish(
        &format!("$iothub/methods/res/{status}/?$rid={rid}"),
        None,
        payload,
    )
}

#[test]
fn an_answer_reaches_the_caller_with_its_status() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let response = call(&hub, "reboot", &json!({"delay": 5}), PATIENCE, || {
        let rid = request(&mut client, "reboot", br#"{"delay":5}"#);
        client.send(&answer("200", &rid, br#"{"ok":true}"#));
    })
    .unwrap();
    assert_eq!(
        (response.status, response.payload),
        (200, json!({"ok": true}))
    );

    let response = call(
        &hub,
        "thermostat1*getMaxMin",
        &Value::Null,
        PATIENCE,
        || {
            let rid = request(&mut client, "thermostat1*getMaxMin", b"");
            // QoS 1 is acknowledged like any publish.
            let topic = format!("$iothub/methods/res/-7/?$rid={rid}");
            client.send(&publish(&topic, Some(3), b""));
            client.expect(&[0x40, 2, 0, 3]);
        },
    )
    .unwrap();
    assert_eq!((response.status, response.payload), (-7, Value::Null));
}

#[test]
fn two_calls_may_be_answered_in_any_order() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    thread::scope(|scope| {
        let invoke = |n: i32| hub.invoke_method("d", "echo", &json!(n), PATIENCE);
        let first = scope.spawn(move || invoke(1));
        let one = request(&mut client, "echo", b"1");
        let second = scope.spawn(move || invoke(2));
        let two = request(&mut client, "echo", b"2");
        client.send(&answer("200", &two, b"\"two\""));
        client.send(&answer("200", &one, b"\"one\""));
        assert_eq!(first.join().unwrap().unwrap().payload, "one");
        assert_eq!(second.join().unwrap().unwrap().payload, "two");
    });
}

#[test]
fn a_device_that_cannot_be_called_fails_the_call_at_once() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let invoke = || {
        let started = Instant::now();
        let error = hub
            .invoke_method("d", "reboot", &Value::Null, Duration::from_secs(60))
            .unwrap_err();
        assert!(started.elapsed() < PATIENCE);
        error.code()
    };
    assert_eq!(invoke(), 404_103);
    let mut client = Client::accepted(&hub, &device, Options::default());
    assert_eq!(invoke(), 404_103);
    client.ping();
    assert_eq!(
        hub.invoke_method("e", "reboot", &Value::Null, PATIENCE),
        Err(Error::DeviceNotFound("e".into()))
    );
}

#[test]
fn a_late_answer_and_an_answer_to_nothing_are_dropped() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let mut late = String::new();
    let short = Duration::from_millis(300);
    let result = call(&hub, "slow", &Value::Null, short, || {
        late = request(&mut client, "slow", b"");
    });
    assert_eq!(result.unwrap_err().code(), 504_101);
    client.send(&answer("200", &late, b"1"));
    client.send(&answer("200", "no-such-call", b"1"));
    client.send(&publish("$iothub/methods/res/200/?", None, b"1"));
    client.ping();
}

#[test]
fn another_device_cannot_answer_a_call() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let mut other = Client::accepted(&hub, &Device::create(&hub, "e"), Options::default());
    let response = call(&hub, "m", &Value::Null, PATIENCE, || {
        let rid = request(&mut client, "m", b"");
        other.send(&answer("200", &rid, b"\"forged\""));
        other.ping();
        client.send(&answer("200", &rid, b"\"real\""));
    });
    assert_eq!(response.unwrap().payload, "real");
}

#[test]
fn an_answer_that_is_not_json_is_an_error_for_the_caller_only() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let result = call(&hub, "m", &Value::Null, PATIENCE, || {
        let rid = request(&mut client, "m", b"");
        client.send(&answer("200", &rid, b"ok"));
    });
    assert_eq!(result.unwrap_err().code(), 400_012);
    client.ping();
}

#[test]
fn payloads_have_128_kb_at_most_either_way() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let text = |length: usize| Value::from("x".repeat(length - 2));
    let largest = text(128 * 1024);
    let response = call(&hub, "m", &largest, PATIENCE, || {
        let rid = request(&mut client, "m", largest.to_string().as_bytes());
        client.send(&answer("200", &rid, largest.to_string().as_bytes()));
    });
    assert_eq!(response.unwrap().payload, largest);

    let error = hub
        .invoke_method("d", "m", &text(128 * 1024 + 1), PATIENCE)
        .unwrap_err();
    assert_eq!(error.code(), 413_001);
    client.send(&answer("200", "1", &vec![b'1'; 128 * 1024 + 1]));
    client.expect_close();
}

#[test]
fn a_method_has_a_name_that_fits_into_a_topic() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let _client = method_client(&hub, &device);
    for bad in ["", "a/b", "a#", "a+", "a?", "a\0", &"x".repeat(101)] {
        let error = hub
            .invoke_method("d", bad, &Value::Null, PATIENCE)
            .unwrap_err();
        assert_eq!(error.code(), 400_004, "{bad:?}");
    }
}

#[test]
fn a_call_without_a_payload_has_an_empty_body_and_a_short_request_id_in_hexadecimal() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = method_client(&hub, &device);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let response = call(&hub, "m", &Value::Null, PATIENCE, || {
            let rid = request(&mut client, "m", b"");
            client.send(&answer("200", &rid, b""));
            ids.push(rid);
        });
        assert_eq!(response.unwrap().payload, Value::Null);
    }
    let numbers: Vec<_> = ids
        .iter()
        .map(|rid| u64::from_str_radix(rid, 16).unwrap())
        .collect();
    assert_eq!(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
    assert!(
        ids.iter()
            .all(|rid| rid.len() <= 31 && *rid == rid.to_lowercase())
    );
}
