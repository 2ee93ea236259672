//! Faults on demand, as a device sees them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::dps::*;
use common::module::Module;
use common::*;
use local_hub::{Fault, Hub, Message};
use serde_json::json;

const CONNACK_UNAVAILABLE: [u8; 4] = [0x20, 2, 0, 3];

fn connected() -> (Hub, Device, Client) {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let client = Client::accepted(&hub, &device, Options::default());
    (hub, device, client)
}

/// CONNECT is answered with this, and the connection closed if it is a refusal.
fn expect_connack(hub: &Hub, device: &Device, expected: [u8; 4]) -> Client {
    let (mut client, connack) = Client::connect(hub, device, Options::default());
    assert_eq!(connack, expected);
    if expected[3] != 0 {
        client.expect_close();
    }
    client
}

#[test]
fn a_dropped_connection_closes_without_a_word() {
    let (hub, _, mut client) = connected();
    hub.inject("d", Fault::DropConnection).unwrap();
    client.expect_close();
    assert!(hub.wait_connected("d", false, PATIENCE));
    let error = hub.inject("d", Fault::DropConnection).unwrap_err();
    assert_eq!(error.code(), 404_103);
}

#[test]
fn connects_are_refused_as_often_as_asked_for() {
    let (hub, device, _client) = connected();
    hub.inject("d", Fault::RefuseConnect { code: 3, times: 2 })
        .unwrap();
    expect_connack(&hub, &device, CONNACK_UNAVAILABLE);
    expect_connack(&hub, &device, CONNACK_UNAVAILABLE);
    expect_connack(&hub, &device, CONNACK_PRESENT);
    hub.inject("d", Fault::RefuseConnect { code: 5, times: 9 })
        .unwrap();
    expect_connack(&hub, &device, CONNACK_REFUSED);
    hub.clear_faults("d");
    expect_connack(&hub, &device, CONNACK_PRESENT);
}

#[test]
fn a_suppressed_puback_leaves_the_message_stored() {
    let (hub, device, mut client) = connected();
    hub.inject("d", Fault::SuppressPuback).unwrap();
    client.send(&publish(&device.events_topic(), Some(1), b"1"));
    client.ping();
    assert_eq!(hub.events().len(), 1);
    hub.clear_faults("d");
    client.send(&publish(&device.events_topic(), Some(2), b"2"));
    client.expect(&[0x40, 2, 0, 2]);
}

#[test]
fn late_pubacks_keep_their_order() {
    let (hub, device, mut client) = connected();
    let late = Duration::from_millis(400);
    hub.inject("d", Fault::DelayPuback { milliseconds: 400 })
        .unwrap();
    let sent = Instant::now();
    client.send(&publish(&device.events_topic(), Some(1), b"1"));
    client.ping();
    hub.clear_faults("d");
    client.send(&publish(&device.events_topic(), Some(2), b"2"));
    client.expect(&[0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    assert!(sent.elapsed() >= late);
}

#[test]
fn twin_requests_fail_with_the_status_and_change_nothing() {
    let (hub, _, mut client) = connected();
    client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    for status in [429, 500] {
        hub.inject("d", Fault::FailTwin { status, times: 2 })
            .unwrap();
        client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
        assert_eq!(
            client.publish().topic,
            format!("$iothub/twin/res/{status}/?$rid=1")
        );
        let patch = "$iothub/twin/PATCH/properties/reported/?$rid=2";
        client.send(&publish(patch, None, br#"{"a":1}"#));
        let answer = client.publish();
        assert_eq!(answer.topic, format!("$iothub/twin/res/{status}/?$rid=2"));
        let error: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(
            error["errorCode"].as_u64(),
            Some(u64::from(status) * 1000 + 1)
        );
        client.send(&publish("$iothub/twin/GET/?$rid=3", None, b""));
        assert_eq!(client.publish().topic, "$iothub/twin/res/200/?$rid=3");
    }
    assert_eq!(
        hub.twin("d").unwrap()["properties"]["reported"]["$version"],
        1
    );
}

#[test]
fn a_cloud_to_device_message_comes_twice() {
    let (hub, device, mut client) = connected();
    client.subscribe_c2d(&device, 1);
    hub.inject("d", Fault::DuplicateC2d { times: 1 }).unwrap();
    hub.send_c2d("d", Message::new("a")).unwrap();
    let (first, second) = (client.publish(), client.publish());
    assert_eq!(
        (first.first, second.first),
        (0x32, 0x3a),
        "the second has DUP"
    );
    assert_eq!(first.packet_id, second.packet_id);
    assert_eq!(
        (&first.topic, &first.payload),
        (&second.topic, &second.payload)
    );
    client.send(&puback(first.packet_id.unwrap()));
    client.send(&puback(first.packet_id.unwrap()));
    hub.send_c2d("d", Message::new("b")).unwrap();
    assert_eq!(client.publish().payload, b"b");
    client.ping();
}

#[test]
fn an_expired_token_is_refused_and_a_newer_one_accepted() {
    let (hub, device, mut client) = connected();
    hub.inject("d", Fault::ExpireToken).unwrap();
    client.expect_close();
    let older = Options {
        life: 3500,
        ..Options::default()
    };
    let (mut client, connack) = Client::connect(&hub, &device, older);
    assert_eq!(connack, CONNACK_REFUSED);
    client.expect_close();
    let newer = Options {
        life: 3700,
        ..Options::default()
    };
    Client::accepted(&hub, &device, newer);
}

#[test]
fn a_half_open_connection_says_nothing_until_the_device_comes_anew() {
    let (hub, device, mut client) = connected();
    hub.inject("d", Fault::HalfOpen).unwrap();
    client.send(&PINGREQ);
    client.expect_silence(Duration::from_millis(500));
    assert!(hub.is_connected("d"));
    let mut newer = Client::accepted(&hub, &device, Options::default());
    newer.ping();
}

#[test]
fn a_take_over_closes_the_connection_and_executes_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let will = ("devices/d/messages/events/".into(), "gone", 0);
    let options = Options {
        will: Some(will),
        ..Options::default()
    };
    let mut client = Client::accepted(&hub, &device, options);
    hub.inject("d", Fault::TakeOver).unwrap();
    client.expect_close();
    assert_eq!(wait_for_events(&hub, 1)[0].body, b"gone");
    assert!(close_reason(&hub, "d").contains("400027"));
    expect_connack(&hub, &device, CONNACK_PRESENT);
}

#[test]
fn a_fault_of_a_module_leaves_its_device_and_other_modules_alone() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let modules = ["m", "n"].map(|name| Module::create(&hub, "d", name));
    let mut of_device = Client::accepted(&hub, &device, Options::default());
    let mut clients = modules.each_ref().map(|module| module.accepted(&hub));
    hub.inject_module("d", "m", Fault::SuppressPuback).unwrap();
    for (client, module) in clients.iter_mut().zip(&modules) {
        client.send(&publish(&module.events_topic(), Some(1), b"1"));
    }
    clients[1].expect(&[0x40, 2, 0, 1]);
    clients[0].ping();
    of_device.send(&publish(&device.events_topic(), Some(1), b"1"));
    of_device.expect(&[0x40, 2, 0, 1]);
    assert_eq!(hub.events().len(), 3);
    hub.clear_module_faults("d", "m");
    clients[0].send(&publish(&modules[0].events_topic(), Some(2), b"1"));
    clients[0].expect(&[0x40, 2, 0, 2]);

    hub.inject_module("d", "m", Fault::DropConnection).unwrap();
    clients[0].expect_close();
    let refusal = Fault::RefuseConnect { code: 3, times: 1 };
    hub.inject_module("d", "m", refusal).unwrap();
    let (_, connack) = modules[0].connect(&hub);
    assert_eq!(connack, CONNACK_UNAVAILABLE);
    modules[0].accepted(&hub);
    of_device.ping();
    clients[1].ping();
}

#[test]
fn requests_of_a_registration_fail_with_the_status_as_often_as_asked_for() {
    let hub = hub();
    let key = primary_key(&hub.enroll("d", by_keys()).unwrap());
    let mut client = registration(&hub, "d", &key);
    for (status, code, query) in [
        (401, 401_002, "$rid=1"),
        (429, 429_001, "$rid=1&retry-after=3"),
        (500, 500_001, "$rid=1&retry-after=3"),
    ] {
        hub.fail_registration("D", status, 1).unwrap();
        let (topic, body) = register(&mut client, "d");
        assert_eq!(topic, format!("$dps/registrations/res/{status}/?{query}"));
        assert_eq!(body["errorCode"], code);
        assert!(register(&mut client, "d").0.contains("res/202"));
    }
    hub.fail_registration("d", 503, 9).unwrap();
    let (_, body) = register(&mut client, "d");
    assert_eq!(body["errorCode"], 503_001);
    assert!(ask(&mut client, "any").0.contains("res/503"));
    hub.clear_registration_faults("d");
    assert_eq!(provision(&mut client, "d")["deviceId"], "d");
    let error = hub.fail_registration("d", 404, 1).unwrap_err();
    assert_eq!(error.code(), 400_004);
}

#[test]
fn faults_that_cannot_be_are_refused() {
    let (hub, ..) = connected();
    for fault in [
        Fault::RefuseConnect { code: 4, times: 1 },
        Fault::FailTwin {
            status: 400,
            times: 1,
        },
        Fault::DelayPuback {
            milliseconds: 3_600_001,
        },
    ] {
        assert_eq!(hub.inject("d", fault).unwrap_err().code(), 400_004);
    }
    let unknown = hub.inject("e", Fault::SuppressPuback).unwrap_err();
    assert_eq!(unknown.code(), 404_001);
    let inject = |fault| hub.inject_module("d", "m", fault).unwrap_err().code();
    assert_eq!(inject(Fault::SuppressPuback), 404_010);
    hub.create_sas_module("d", "m").unwrap();
    assert_eq!(inject(Fault::HalfOpen), 404_103);
    let fault: Fault =
        serde_json::from_value(json!({"fault": "failTwin", "status": 429, "times": 2})).unwrap();
    assert_eq!(
        fault,
        Fault::FailTwin {
            status: 429,
            times: 2
        }
    );
}
