//! Twins, methods and faults by the operator's REST interface.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::thread;

use common::dps::*;
use common::module::Module;
use common::rest::*;
use common::*;
use serde_json::{Value, json};

const METHODS: &str = "$iothub/methods/POST/#";

/// The JSON within the `Message` of a method's error.
fn method_error(reply: &Reply) -> Value {
    serde_json::from_str(reply.body["Message"].as_str().unwrap()).unwrap()
}

#[test]
fn a_twin_is_read_patched_and_replaced_in_azures_shape() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let read = as_owner(&hub, "GET /twins/d", None);
    assert_eq!(read.status, 200);
    assert_eq!(read.etag(), "\"AAAAAAAAAAE=\"");
    assert_eq!(read.body["deviceId"], "d");
    assert_eq!(read.body["connectionState"], "Disconnected");
    assert_eq!(read.body["authenticationType"], "sas");
    assert_eq!(read.body["properties"]["desired"]["$version"], 1);
    assert_eq!(read.body["capabilities"], json!({ "iotEdge": false }));

    let patch = json!({"tags": {"site": "a"}, "properties": {"desired": {"x": 1, "y": 2}}});
    let patched = as_owner(&hub, "PATCH /twins/d", Some(patch));
    assert_eq!(
        (patched.status, patched.etag().as_str()),
        (200, "\"AAAAAAAAAAI=\"")
    );
    let desired = &patched.body["properties"]["desired"];
    assert_eq!(
        (&desired["x"], &desired["$version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(desired["$metadata"]["x"]["$lastUpdatedVersion"], 2);

    // What was read may be sent back.
    let mut twin = patched.body;
    twin["properties"]["desired"]["y"] = Value::Null;
    let replaced = as_owner(&hub, "PUT /twins/d", Some(twin));
    assert_eq!(replaced.status, 200);
    let desired = &replaced.body["properties"]["desired"];
    assert_eq!((&desired["x"], &desired["y"]), (&json!(1), &Value::Null));
    assert_eq!(replaced.body["tags"], json!({"site": "a"}));
}

#[test]
fn a_twin_changes_only_if_it_is_the_one_that_was_read() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let etag = as_owner(&hub, "GET /twins/d", None).etag();
    let patch = |etag: &str| {
        let headers = [("If-Match", etag)];
        as_owner_with(
            &hub,
            "PATCH /twins/d",
            &headers,
            Some(json!({"tags": {"a": 1}})),
        )
    };
    assert_eq!(patch(&etag).status, 200);
    let stale = patch(&etag);
    assert_eq!(stale.status, 412);
    assert!(stale.head.contains("iothub-errorcode: preconditionfailed"));
    assert_eq!(patch("*").status, 200);
}

#[test]
fn bad_twins_unknown_devices_and_lesser_policies_are_refused() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let bad = json!({"properties": {"desired": {"a b": 1}}});
    assert_eq!(as_owner(&hub, "PATCH /twins/d", Some(bad)).status, 400);
    assert_eq!(as_owner(&hub, "GET /twins/e", None).status, 404);
    let token = authorization(&hub, "registryRead");
    let line = "GET /twins/d?api-version=2021-04-12";
    let refused = request(&hub, line, &[("Authorization", &token)], None);
    assert_eq!(refused.status, 401);
}

#[test]
fn a_method_call_is_answered_by_the_device() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[(METHODS, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    let body =
        json!({"methodName": "reboot", "responseTimeoutInSeconds": 60, "payload": {"delay": 5}});
    let reply = thread::scope(|scope| {
        let call = scope.spawn(|| as_owner(&hub, "POST /twins/d/methods", Some(body)));
        let request = client.publish();
        assert_eq!(request.payload, br#"{"delay":5}"#);
        let rid = request.topic.split_once("$rid=").unwrap().1;
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        client.send(&publish(&topic, None, br#"{"ok":true}"#));
        call.join().unwrap()
    });
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, json!({"status": 200, "payload": {"ok": true}}));
}

#[test]
fn a_method_call_waits_for_the_device_as_long_as_it_is_told() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let reply = as_owner(
        &hub,
        "POST /twins/d/methods",
        Some(json!({"methodName": "m"})),
    );
    assert_eq!(reply.status, 404);
    let error = method_error(&reply);
    assert_eq!(error["errorCode"], 404_103);
    assert_eq!(error["info"]["timeout"], "00:00:00");
    assert_eq!(reply.body["ExceptionMessage"], "");

    let body = json!({"methodName": "m", "connectTimeoutInSeconds": 60});
    let reply = thread::scope(|scope| {
        let call = scope.spawn(|| as_owner(&hub, "POST /twins/d/methods", Some(body)));
        let mut client = Client::accepted(&hub, &device, Options::default());
        client.send(&subscribe(1, &[(METHODS, 0)]));
        client.expect(&[0x90, 3, 0, 1, 0]);
        let request = client.publish();
        let rid = request.topic.split_once("$rid=").unwrap().1;
        let topic = format!("$iothub/methods/res/404/?$rid={rid}");
        client.send(&publish(&topic, None, b""));
        call.join().unwrap()
    });
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!(404)));
}

#[test]
fn a_method_without_an_answer_times_out_with_504101() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[(METHODS, 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    let body = json!({"methodName": "m", "responseTimeoutInSeconds": 5});
    let reply = as_owner(&hub, "POST /twins/d/methods", Some(body));
    assert_eq!(reply.status, 504);
    let error = method_error(&reply);
    assert_eq!(error["errorCode"], 504_101);
    assert_eq!(error["info"]["timeout"], "00:00:05");
}

#[test]
fn timeouts_outside_of_azures_range_are_refused() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    for (name, value, text) in [
        ("responseTimeoutInSeconds", 4, "must be within [5; 300]"),
        ("responseTimeoutInSeconds", 301, "must be within [5; 300]"),
        ("connectTimeoutInSeconds", 301, "must be within [0; 300]"),
    ] {
        let reply = as_owner(
            &hub,
            "POST /twins/d/methods",
            Some(json!({"methodName": "m", name: value})),
        );
        assert_eq!(reply.status, 400);
        let message = reply.body["Message"].as_str().unwrap();
        assert!(
            message.contains(name) && message.contains(text),
            "{message}"
        );
    }
}

#[test]
fn a_fault_is_injected_and_cleared() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let fault = json!({"fault": "refuseConnect", "code": 3, "times": 9});
    assert_eq!(as_owner(&hub, "POST /faults/d", Some(fault)).status, 204);
    let (_, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, [0x20, 2, 0, 3]);
    assert_eq!(as_owner(&hub, "DELETE /faults/d", None).status, 204);
    Client::accepted(&hub, &device, Options::default());
    let unknown = json!({"fault": "meteorite"});
    assert_eq!(as_owner(&hub, "POST /faults/d", Some(unknown)).status, 400);
}

#[test]
fn faults_of_modules_and_registrations_have_paths_of_their_own() {
    let hub = hub();
    Device::create(&hub, "d");
    let module = Module::create(&hub, "d", "m");
    let fault = json!({"fault": "refuseConnect", "code": 5, "times": 9});
    let path = "/faults/d/modules/m";
    let inject = |path: &str, fault: &Value| {
        as_owner(&hub, &format!("POST {path}"), Some(fault.clone())).status
    };
    assert_eq!(inject(path, &fault), 204);
    assert_eq!(module.connect(&hub).1, CONNACK_REFUSED);
    assert_eq!(
        as_owner(&hub, "DELETE /faults/d/modules/m", None).status,
        204
    );
    module.accepted(&hub);
    assert_eq!(inject("/faults/d/modules/n", &fault), 404);

    let key = primary_key(&hub.enroll("r", by_keys()).unwrap());
    let path = "/registrations/r/faults";
    assert_eq!(inject(path, &json!({"status": 429, "times": 9})), 204);
    let mut client = registration(&hub, "r", &key);
    assert!(register(&mut client, "r").0.contains("res/429"));
    let cleared = as_owner(&hub, "DELETE /registrations/r/faults", None);
    assert_eq!(cleared.status, 204);
    assert!(register(&mut client, "r").0.contains("res/202"));
    assert_eq!(inject(path, &json!({"status": 404})), 400);
    assert_eq!(
        inject("/registrations/%20/faults", &json!({"status": 429})),
        400
    );
}

#[test]
fn a_method_call_has_the_payload_that_was_sent_and_times_in_digits_or_as_text() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[(METHODS, 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    for (more, payload) in [
        (json!({}), &b""[..]),
        (json!({"payload": null}), b"null"),
        (
            json!({"payload": "x", "responseTimeoutInSeconds": "60"}),
            b"\"x\"",
        ),
        (
            json!({"payload": {}, "responseTimeoutInSeconds": 300, "connectTimeoutInSeconds": "0"}),
            b"{}",
        ),
        (
            json!({"payload": [], "responseTimeoutInSeconds": null}),
            b"[]",
        ),
    ] {
        let mut body = more.clone();
        body["methodName"] = "m".into();
        let reply = thread::scope(|scope| {
            let call = scope.spawn(|| as_owner(&hub, "POST /twins/d/methods", Some(body)));
            let request = client.publish();
            assert_eq!(request.payload, payload, "{more}");
            let rid = request.topic.split_once("$rid=").unwrap().1;
            let topic = format!("$iothub/methods/res/200/?$rid={rid}");
            client.send(&publish(&topic, None, b""));
            call.join().unwrap()
        });
        assert_eq!(reply.status, 200);
    }
    for (name, bad) in [
        ("responseTimeoutInSeconds", json!("4")),
        ("responseTimeoutInSeconds", json!("30s")),
        ("responseTimeoutInSeconds", json!("")),
        ("responseTimeoutInSeconds", json!(-30)),
        ("responseTimeoutInSeconds", json!(30.5)),
        ("connectTimeoutInSeconds", json!("301")),
        ("connectTimeoutInSeconds", json!([1])),
    ] {
        let mut body = json!({"methodName": "m"});
        body[name] = bad.clone();
        let reply = as_owner(&hub, "POST /twins/d/methods", Some(body));
        let message = reply.body["Message"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400, "{bad}");
        assert!(
            message.starts_with("ErrorCode:ArgumentInvalid;") && message.contains(name),
            "{message}"
        );
    }
}

#[test]
fn a_module_is_sent_a_message_by_the_operator() {
    let hub = hub();
    Device::create(&hub, "d");
    Module::create(&hub, "d", "m");
    let line = "POST /devices/d/modules/m/messages/deviceBound";
    let sent = as_owner(&hub, line, Some(json!({"body": "eA=="})));
    assert_eq!(sent.status, 204);
    let twin = as_owner(&hub, "GET /twins/d/modules/m", None).body;
    assert_eq!(twin["cloudToDeviceMessageCount"], 1);
    assert_eq!(
        as_owner(&hub, "GET /twins/d", None).body["cloudToDeviceMessageCount"],
        0
    );
}
