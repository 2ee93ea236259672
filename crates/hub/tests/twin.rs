//! The device twin over real TLS, byte for byte where the documentation gives bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use local_hub::{Error, Hub};
use serde_json::{Value, json};

const RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const REPORTED: &str = "$iothub/twin/PATCH/properties/reported/?";

/// A connected device that subscribed to the whole twin with QoS 0.
fn twin_client(hub: &Hub, device: &Device) -> Client {
    let mut client = Client::accepted(hub, device, Options::default());
    client.send(&subscribe(1, &[(RESPONSES, 0), (DESIRED, 0)]));
    client.expect(&[0x90, 4, 0, 1, 0, 0]);
    client
}

/// The next PUBLISH: QoS 0, not retained, with this topic and JSON.
fn expect_json(client: &mut Client, topic: &str, json: &Value) {
    let message = client.publish();
    assert_eq!((message.first, message.topic.as_str()), (0x30, topic));
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(payload, *json);
}

fn report(client: &mut Client, rid: &str, patch: &str) -> Publish {
    client.send(&publish(
        &format!("{REPORTED}$rid={rid}"),
        None,
        patch.as_bytes(),
    ));
    client.publish()
}

#[test]
fn a_new_twin_is_read_with_the_documented_bytes() {
    let hub = hub();
    let device = Device::create(&hub, "MyDevice01");
    let mut client = twin_client(&hub, &device);
    let request = publish("$iothub/twin/GET/?$rid=1", None, b"");
    assert_eq!(request[..4], [0x30, 0x1a, 0x00, 0x18]);
    client.send(&request);
    let body = br#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
    let mut response = vec![0x30, 0x52, 0x00, 0x1c];
    response.extend(b"$iothub/twin/res/200/?$rid=1");
    response.extend(body);
    client.expect(&response);
}

#[test]
fn a_request_with_qos_1_is_acknowledged_before_it_is_answered() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    client.send(&publish("$iothub/twin/GET/?$rid=8c5a-%2f", Some(9), b" "));
    client.expect(&[0x40, 2, 0, 9]);
    let body = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
    expect_json(&mut client, "$iothub/twin/res/200/?$rid=8c5a-%2f", &body);
}

#[test]
fn reported_patches_merge_and_answer_the_new_version() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    let answer = report(&mut client, "7", r#"{"telemetryInterval":60,"old":1}"#);
    assert_eq!(answer.topic, "$iothub/twin/res/204/?$rid=7&$version=2");
    assert_eq!(answer.payload, b"");
    let answer = report(&mut client, "8", r#"{"old":null,"network":{"ip":"::1"}}"#);
    assert_eq!(answer.topic, "$iothub/twin/res/204/?$rid=8&$version=3");

    let reported = &hub.twin("d").unwrap()["properties"]["reported"];
    assert_eq!(reported["telemetryInterval"], 60);
    assert_eq!(reported["network"], json!({"ip": "::1"}));
    assert_eq!(reported["$version"], 3);
    assert!(reported.get("old").is_none());
    assert!(reported["$metadata"]["network"]["ip"]["$lastUpdated"].is_string());

    client.send(&publish("$iothub/twin/GET/?$rid=9", None, b""));
    let body = json!({
        "desired": {"$version": 1},
        "reported": {"telemetryInterval": 60, "network": {"ip": "::1"}, "$version": 3},
    });
    expect_json(&mut client, "$iothub/twin/res/200/?$rid=9", &body);
}

#[test]
fn a_bad_patch_is_answered_with_400_and_the_connection_stays() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1000), "}".repeat(1000));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(4097));
    for bad in [
        "",
        "{",
        "[1]",
        "null",
        r#"{"$version":5}"#,
        r#"{"$metadata":{}}"#,
        r#"{"a.b":1}"#,
        r#"{"a":[null]}"#,
        r#"{"n":4503599627370496}"#,
        "{\"a\u{0}\":1}",
        &deep,
        &large,
    ] {
        let answer = report(&mut client, "3", bad);
        assert_eq!(answer.topic, "$iothub/twin/res/400/?$rid=3", "{bad}");
        let error: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(error["errorCode"], 400_004);
        for field in ["trackingId", "message", "timestampUtc"] {
            assert!(error[field].is_string(), "{error}");
        }
    }
    client.send(&publish(
        &format!("{REPORTED}$rid=4"),
        None,
        b"{\"a\":\"\xff\"}",
    ));
    assert_eq!(client.publish().topic, "$iothub/twin/res/400/?$rid=4");
    client.ping();
    assert_eq!(
        hub.twin("d").unwrap()["properties"]["reported"]["$version"],
        1
    );
}

#[test]
fn a_get_with_a_body_is_refused_and_one_without_rid_closes() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    client.send(&publish("$iothub/twin/GET/?$rid=1", None, b"{}"));
    assert_eq!(client.publish().topic, "$iothub/twin/res/400/?$rid=1");
    client.send(&publish("$iothub/twin/GET/?", None, b""));
    client.expect_close();
    let close = hub.wait_for_close(PATIENCE, |_| true).unwrap();
    assert!(close.reason.contains("without $rid"), "{}", close.reason);
}

#[test]
fn without_a_subscription_requests_are_served_but_not_answered() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
    client.send(&publish(
        &format!("{REPORTED}$rid=2"),
        Some(2),
        br#"{"a":1}"#,
    ));
    client.expect(&[0x40, 2, 0, 2]);
    // What comes next is the answer to this, and nothing of the twin.
    client.ping();
    assert_eq!(hub.twin("d").unwrap()["properties"]["reported"]["a"], 1);
}

#[test]
fn a_patch_without_rid_is_applied_and_not_answered() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    client.send(&publish(REPORTED, Some(2), br#"{"a":1}"#));
    client.expect(&[0x40, 2, 0, 2]);
    client.ping();
    assert_eq!(hub.twin("d").unwrap()["properties"]["reported"]["a"], 1);
}

#[test]
fn desired_changes_reach_a_subscribed_device_in_the_order_of_versions() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    let patch = |desired: Value| json!({"properties": {"desired": desired}});
    hub.patch_twin("d", &patch(json!({"telemetryInterval": 30, "old": 1})))
        .unwrap();
    hub.patch_twin("d", &patch(json!({"old": null}))).unwrap();
    hub.replace_twin("d", &patch(json!({"x": [1, 2]}))).unwrap();
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=";
    for (version, body) in [
        (2, json!({"telemetryInterval": 30, "old": 1, "$version": 2})),
        (3, json!({"old": null, "$version": 3})),
        (
            4,
            json!({"x": [1, 2], "telemetryInterval": null, "$version": 4}),
        ),
    ] {
        expect_json(&mut client, &format!("{topic}{version}"), &body);
    }
    hub.patch_twin("d", &json!({"tags": {"site": "north"}}))
        .unwrap();
    client.ping();
    let twin = hub.twin("d").unwrap();
    assert_eq!(twin["tags"], json!({"site": "north"}));
    assert_eq!(twin["properties"]["desired"]["x"], json!([1, 2]));
    assert_eq!(twin["properties"]["desired"]["$version"], 4);
    assert_eq!(twin["connectionState"], "Connected");
}

#[test]
fn desired_changes_are_not_kept_for_a_device_that_is_away_or_has_not_subscribed() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let patch = json!({"properties": {"desired": {"a": 1}}});
    hub.patch_twin("d", &patch).unwrap();
    let mut client = Client::accepted(&hub, &device, Options::default());
    hub.patch_twin("d", &patch).unwrap();
    client.send(&subscribe(1, &[(DESIRED, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    client.expect_silence(Duration::from_millis(200));
    assert_eq!(
        hub.twin("d").unwrap()["properties"]["desired"]["$version"],
        3
    );
}

#[test]
fn a_stored_subscription_brings_notifications_after_a_reconnect() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    client.send(&DISCONNECT);
    client.expect_close();
    let (mut client, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_PRESENT);
    let patch = json!({"properties": {"desired": {"a": 1}}});
    hub.patch_twin("d", &patch).unwrap();
    let body = json!({"a": 1, "$version": 2});
    expect_json(
        &mut client,
        "$iothub/twin/PATCH/properties/desired/?$version=2",
        &body,
    );
}

#[test]
fn an_operator_is_refused_what_the_service_refuses() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let large: serde_json::Map<_, _> = (0..9)
        .map(|n| (format!("k{n}"), Value::from("x".repeat(4000))))
        .collect();
    for bad in [
        json!([]),
        json!({"tags": "x"}),
        json!({"properties": {"desired": {"a b": 1}}}),
        json!({"properties": {"desired": large}}),
        json!({"tags": {"a": "x".repeat(4096), "b": "x".repeat(4096)}}),
    ] {
        let error = hub.patch_twin("d", &bad).unwrap_err();
        assert_eq!(error.code(), 400_004, "{error}");
    }
    assert_eq!(hub.twin("d").unwrap()["version"], 1);
    assert_eq!(hub.twin("e"), Err(Error::DeviceNotFound("e".into())));
}

#[test]
fn a_device_that_is_created_again_has_a_new_twin() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    hub.patch_twin("d", &json!({"tags": {"a": 1}})).unwrap();
    hub.delete_device("d").unwrap();
    hub.create_sas_device("d").unwrap();
    let twin = hub.twin("d").unwrap();
    assert_eq!((&twin["tags"], &twin["version"]), (&json!({}), &json!(1)));
}

#[test]
fn twins_outlive_the_hub() {
    let directory = tempfile::tempdir().unwrap();
    let start = || hub_with(|config| config.state = Some(directory.path().to_owned()));
    let hub = start();
    let device = Device::create(&hub, "d");
    let mut client = twin_client(&hub, &device);
    report(&mut client, "1", r#"{"a":{"b":1}}"#);
    hub.patch_twin("d", &json!({"properties": {"desired": {"c": 1.5}}}))
        .unwrap();
    let twin = |hub: &Hub| hub.twin("d").unwrap()["properties"].clone();
    let before = twin(&hub);
    hub.shutdown();
    assert_eq!(twin(&start()), before);
}

#[test]
fn the_announced_model_is_shown_with_the_twin() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let user_name = "localhost/d/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3Bb%3B1";
    let token = device.token(3600);
    let mut client = Client::open(&hub);
    client.send(&connect("d", user_name, Some(&token), Options::default()));
    client.expect(&CONNACK_NEW);
    assert_eq!(hub.twin("d").unwrap()["modelId"], "dtmi:com:example;b;1");
    Client::accepted(&hub, &device, Options::default());
    assert_eq!(hub.twin("d").unwrap()["modelId"], "");
}
