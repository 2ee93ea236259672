//! Common parts of all requests to the operator's REST interface, and the fields of the identity registry.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::rest::*;
use common::*;
use local_hub::Hub;
use serde_json::{Value, json};

const VERSION: &str = "api-version=2021-04-12";

/// The head of a request by the hub's owner; what follows it is the test's.
fn head(hub: &Hub, line: &str, headers: &str) -> String {
    let token = authorization(hub, "iothubowner");
    let port = hub.operator_endpoint().port();
    format!(
        "{line} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nAuthorization: {token}\r\n{headers}\r\n"
    )
}

/// The answer is an error in Azure's shape, with this status and name; gives its sentence.
fn error(reply: &Reply, status: u16, name: &str) -> String {
    let message = reply.body["Message"].as_str().unwrap_or_default();
    assert_eq!(reply.status, status, "{reply:?}");
    let sentence = message.strip_prefix(&format!("ErrorCode:{name};"));
    let tracking = reply.body["ExceptionMessage"].as_str().unwrap_or_default();
    assert!(tracking.starts_with("Tracking ID:"), "{reply:?}");
    let header = format!("iothub-errorcode: {}", name.to_ascii_lowercase());
    assert!(reply.head.contains(&header), "{reply:?}");
    sentence.unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn a_slash_at_the_end_of_a_path_means_nothing() {
    let hub = hub();
    let created = as_owner(&hub, "PUT /devices/d/", Some(json!({"deviceId": "d"})));
    assert_eq!(created.status, 200);
    for line in [
        "GET /devices/d/",
        "GET /devices/",
        "GET /twins/d/",
        "GET /statistics/devices/",
    ] {
        assert_eq!(as_owner(&hub, line, None).status, 200, "{line}");
    }
}

#[test]
fn a_request_without_a_right_is_refused_before_its_body_is_read() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let port = hub.operator_endpoint().port();
    let lesser = authorization(&hub, "registryRead");
    for (authorization, why) in [
        (String::new(), "no Authorization"),
        ("Authorization: nonsense\r\n".into(), "does not start with"),
        (format!("Authorization: {lesser}\r\n"), "does not permit"),
    ] {
        for line in [
            "PUT /devices/e",
            "PATCH /twins/d",
            "POST /twins/d/methods",
            "POST /devices/d/messages/deviceBound",
            "PUT /provisioning/enrollments/e",
            "PUT /certificates/c",
            "POST /faults/d",
        ] {
            // The body never comes.
            let text = format!(
                "{line}?{VERSION} HTTP/1.1\r\nHost: localhost:{port}\r\n{authorization}Content-Length: 100000\r\n\r\n"
            );
            let refused = raw(&hub, text.as_bytes());
            let told = error(&refused, 401, "IotHubUnauthorized");
            assert!(told.contains(why), "{line}: {told}");
        }
    }
    assert_eq!(hub.devices().len(), 1);
}

#[test]
fn a_body_has_a_limited_size_and_a_limited_time() {
    let hub = hub_with(|config| config.limits.operator_timeout = Duration::from_millis(300));
    hub.create_sas_device("d").unwrap();
    let line = format!("PATCH /twins/d?{VERSION}");
    let size = 1024 * 1024 + 1;
    let mut large = head(&hub, &line, &format!("Content-Length: {size}\r\n")).into_bytes();
    large.resize(large.len() + size, b' ');
    assert!(error(&raw(&hub, &large), 413, "MessageTooLarge").contains("1048576 bytes"));
    let slow = head(&hub, &line, "Content-Length: 10\r\n") + "{";
    assert!(error(&raw(&hub, slow.as_bytes()), 408, "RequestTimedOut").contains("0.3 s"));
}

#[test]
fn the_head_of_a_request_has_a_limited_size_and_a_limited_time() {
    let hub = hub_with(|config| config.limits.operator_timeout = Duration::from_millis(300));
    let line = format!("GET /devices?{VERSION}");
    let many: String = (0..70).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(64 * 1024));
    let reply = raw(&hub, head(&hub, &line, &many).as_bytes());
    assert_eq!(reply.status, 431, "{reply:?}");
    // The hub closes with bytes unread, so that TCP may reset the connection before the answer has been read.
    let answer = raw_text(&hub, head(&hub, &line, &long).as_bytes());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    // Without an end of the head, the connection just ends.
    let open = head(&hub, &line, "");
    assert_eq!(raw_text(&hub, open.trim_end().as_bytes()), "");
}

#[test]
fn every_error_is_json_in_azures_shape() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    let ask = |line: &str, body: Option<Value>| as_owner(&hub, line, body);
    let none = json!({});
    error(&ask("GET /nonsense", None), 404, "InvalidOperation");
    error(
        &ask("GET /devices/d/nonsense", None),
        404,
        "InvalidOperation",
    );
    error(&ask("GET /devices/%ff", None), 400, "ArgumentInvalid");
    error(&ask("GET /devices?top=many", None), 400, "ArgumentInvalid");
    error(
        &ask("GET /messages/events?from=then", None),
        400,
        "ArgumentInvalid",
    );
    error(
        &ask("POST /twins/d/methods", Some(none.clone())),
        400,
        "DeserializationError",
    );
    error(
        &ask("PUT /devices/e", Some(json!([1]))),
        400,
        "DeserializationError",
    );
    error(&ask("PUT /devices/e", None), 400, "DeserializationError");
    error(
        &ask("PUT /provisioning/enrollments/e", Some(none.clone())),
        400,
        "DeserializationError",
    );
    error(
        &ask("POST /faults/d", Some(json!({"fault": "earthquake"}))),
        400,
        "DeserializationError",
    );
    error(
        &ask("GET /provisioning/enrollments/e", None),
        404,
        "EnrollmentNotFound",
    );
    error(
        &ask("GET /devices/d/modules/m", None),
        404,
        "ModuleNotFound",
    );
    let broken = head(
        &hub,
        &format!("PUT /devices/e?{VERSION}"),
        "Content-Length: 1\r\n",
    ) + "{";
    error(&raw(&hub, broken.as_bytes()), 400, "DeserializationError");
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n";
    let form = head(&hub, &format!("PUT /devices/e?{VERSION}"), form) + "{}";
    error(&raw(&hub, form.as_bytes()), 415, "UnsupportedMediaType");
    let key = "c2VjcmV0c2VjcmV0c2VjcmV0";
    let misplaced = ask("PUT /devices/e", Some(json!({ "authentication": key })));
    let told = error(&misplaced, 400, "DeserializationError");
    assert!(!told.contains(key), "{told}");
    assert_eq!(hub.devices().len(), 1);
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_with_405_and_those_that_it_has() {
    let hub = hub();
    for (line, allowed) in [
        ("PATCH /devices/d", "allow: get,head,put,delete"),
        ("DELETE /twins/d", "allow: get,head,patch,put"),
        ("GET /twins/d/methods", "allow: post"),
        ("POST /messages/events", "allow: get,head"),
        (
            "POST /provisioning/enrollments/d",
            "allow: get,head,put,delete",
        ),
    ] {
        let refused = as_owner(&hub, line, None);
        error(&refused, 405, "InvalidOperation");
        assert!(refused.head.contains(allowed), "{line}: {}", refused.head);
    }
    for line in ["PATCH /devices/d", "GET /nonsense"] {
        let unknown = request(&hub, &format!("{line}?{VERSION}"), &[], None);
        error(&unknown, 401, "IotHubUnauthorized");
    }
}

#[test]
fn an_expired_token_is_said_to_be_expired_with_and_without_a_port() {
    let hub = hub();
    let text = hub.service_connection_string("iothubowner").unwrap();
    let key = text.split_once("SharedAccessKey=").unwrap().1;
    let port = hub.operator_endpoint().port();
    for resource in ["localhost".to_owned(), format!("localhost:{port}")] {
        let expired = format!("{}&skn=iothubowner", token(&resource, key, -400));
        let line = format!("GET /devices?{VERSION}");
        let refused = request(&hub, &line, &[("Authorization", &expired)], None);
        let told = error(&refused, 401, "IotHubUnauthorized");
        assert!(
            told.contains("expired") && told.contains("400 s ago"),
            "{told}"
        );
    }
}

#[test]
fn the_reason_of_a_status_is_kept_and_the_hub_tells_when_things_happened() {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let hub = hub();
    let created = as_owner(&hub, "PUT /devices/d", Some(json!({"statusReason": "new"}))).body;
    assert_eq!(created["statusReason"], "new");
    for name in [
        "connectionStateUpdatedTime",
        "statusUpdatedTime",
        "lastActivityTime",
    ] {
        assert_eq!(created[name], NEVER, "{name}");
    }
    let key = created["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let device = Device {
        id: "d".into(),
        key: key.into(),
    };
    let mut client = Client::accepted(&hub, &device, Options::default());
    let connected = as_owner(&hub, "GET /devices/d", None).body;
    let since = connected["connectionStateUpdatedTime"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(since.as_str() > "2026" && connected["lastActivityTime"] == since);
    hub.shift_clock(60);
    client.send(&publish(&device.events_topic(), Some(1), b"x"));
    client.expect(&[0x40, 2, 0, 1]);
    let active = as_owner(&hub, "GET /devices/d", None).body;
    assert_eq!(active["connectionStateUpdatedTime"], since);
    let last = active["lastActivityTime"].as_str().unwrap().to_owned();
    assert!(last > since, "{last} {since}");
    assert_eq!(
        as_owner(&hub, "GET /twins/d", None).body["lastActivityTime"],
        last
    );
    client.send(&DISCONNECT);
    client.expect_close();
    assert!(hub.wait_connected("d", false, PATIENCE));
    // What was read may be sent back, with a change.
    let any = [("If-Match", "*")];
    let mut changed = active.clone();
    changed["status"] = "disabled".into();
    changed["statusReason"] = "lost".into();
    let changed = as_owner_with(&hub, "PUT /devices/d", &any, Some(changed));
    assert_eq!(
        (changed.status, &changed.body["statusReason"]),
        (200, &json!("lost"))
    );
    assert!(changed.body["statusUpdatedTime"].as_str().unwrap() > "2026");
    let twin = as_owner(&hub, "GET /twins/d", None).body;
    assert_eq!(twin["statusReason"], "lost");
    assert_eq!(twin["statusUpdateTime"], changed.body["statusUpdatedTime"]);
    let cleared = json!({"statusReason": null});
    let cleared = as_owner_with(&hub, "PUT /devices/d", &any, Some(cleared)).body;
    assert_eq!(
        (&cleared["statusReason"], &cleared["status"]),
        (&Value::Null, &json!("disabled"))
    );
}

#[test]
fn times_reasons_and_capabilities_are_kept_over_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let start = || hub_with(|config| config.state = Some(state.path().to_owned()));
    let first = start();
    let device = Device::create(&first, "d");
    let mut client = Client::accepted(&first, &device, Options::default());
    client.send(&DISCONNECT);
    client.expect_close();
    assert!(first.wait_connected("d", false, PATIENCE));
    let change = json!({"status": "disabled", "statusReason": "stolen"});
    as_owner_with(&first, "PUT /devices/d", &[("If-Match", "*")], Some(change));
    let before = as_owner(&first, "GET /devices/d", None).body;
    drop(first);
    let second = start();
    assert_eq!(as_owner(&second, "GET /devices/d", None).body, before);
    // A device of the same name is another one.
    second.delete_device("d").unwrap();
    second.create_sas_device("d").unwrap();
    let made_again = as_owner(&second, "GET /devices/d", None).body;
    assert_eq!(made_again["lastActivityTime"], "0001-01-01T00:00:00Z");
    assert_eq!(made_again["statusReason"], Value::Null);
}

#[test]
fn what_the_registry_cannot_keep_is_refused_and_named() {
    let hub = hub();
    hub.create_sas_device("d").unwrap();
    for (body, name) in [
        (
            json!({"lastActivityTime": "2026-01-01T00:00:00Z"}),
            "lastActivityTime",
        ),
        (
            json!({"statusUpdatedTime": "yesterday"}),
            "statusUpdatedTime",
        ),
        (
            json!({"connectionStateUpdatedTime": "9999-12-31T23:59:59Z"}),
            "connectionStateUpdatedTime",
        ),
        (
            json!({"capabilities": {"iotEdge": true}}),
            "capabilities.iotEdge",
        ),
        (
            json!({"deviceScope": "ms-azure-iot-edge://e-1"}),
            "deviceScope",
        ),
        (json!({"parentScopes": ["x"]}), "parentScopes"),
        (json!({"managedBy": "me"}), "managedBy"),
        (json!({"statusReason": "x".repeat(129)}), "statusReason"),
    ] {
        for (line, headers) in [
            ("PUT /devices/e", &[][..]),
            ("PUT /devices/d", &[("If-Match", "*")]),
        ] {
            let refused = as_owner_with(&hub, line, headers, Some(body.clone()));
            let told = error(&refused, 400, "ArgumentInvalid");
            assert!(told.contains(name), "{told}");
        }
    }
    for body in [
        json!({"statusreason": "x"}),
        json!({"capabilities": {"edge": true}}),
        json!({"status": "broken"}),
        json!({"authentication": {"type": "sas", "primaryKey": "x"}}),
    ] {
        let refused = as_owner(&hub, "PUT /devices/e", Some(body));
        error(&refused, 400, "DeserializationError");
    }
    assert_eq!(hub.devices().len(), 1);
    let all = json!({
        "deviceId": "e", "status": "disabled", "statusReason": null, "generationId": null, "etag": null,
        "connectionState": "Disconnected", "connectionStateUpdatedTime": "0001-01-01T00:00:00",
        "statusUpdatedTime": "0001-01-01T00:00:00Z", "lastActivityTime": null, "cloudToDeviceMessageCount": 0,
        "capabilities": {"iotEdge": false}, "deviceScope": null, "parentScopes": [],
    });
    assert_eq!(as_owner(&hub, "PUT /devices/e", Some(all)).status, 200);
    let module = json!({"moduleId": "m", "managedBy": "me"});
    let module = as_owner(&hub, "PUT /devices/d/modules/m", Some(module)).body;
    assert_eq!(module["managedBy"], "me");
}

#[test]
fn an_enrolment_that_is_there_is_replaced_only_on_demand_and_keeps_its_keys() {
    let hub = hub();
    let keys = json!({"type": "symmetricKey", "primaryKey": "", "secondaryKey": ""});
    let body = || Some(json!({ "attestation": keys }));
    for collection in [
        "/provisioning/enrollments",
        "/provisioning/enrollmentGroups",
    ] {
        let line = format!("PUT {collection}/e");
        let replace = |body| as_owner_with(&hub, &line, &[("If-Match", "*")], Some(body));
        error(
            &replace(json!({ "attestation": keys })),
            404,
            "EnrollmentNotFound",
        );
        let made = as_owner(&hub, &line, body());
        assert_eq!(made.status, 200);
        let again = error(
            &as_owner(&hub, &line, body()),
            409,
            "EnrollmentAlreadyExists",
        );
        assert!(again.contains("--replace"), "{again}");
        let read = || as_owner(&hub, &format!("GET {collection}/e"), None).body;
        assert_eq!(read(), made.body);
        let etag = [("If-Match", "\"x\"")];
        error(
            &as_owner_with(&hub, &line, &etag, body()),
            412,
            "PreconditionFailed",
        );
        let replaced = replace(json!({ "attestation": keys, "status": "disabled" }));
        assert_eq!(replaced.status, 200);
        assert_eq!(replaced.body["attestation"], made.body["attestation"]);
        assert_eq!(read()["status"], "disabled");
        let other = json!({"type": "symmetricKey", "primaryKey": "b3RoZXJvdGhlcm90aGVyb3RoZXI=", "secondaryKey": ""});
        let replaced = replace(json!({ "attestation": other })).body;
        assert_eq!(replaced["attestation"]["primaryKey"], other["primaryKey"]);
        assert_eq!(
            replaced["attestation"]["secondaryKey"],
            made.body["attestation"]["secondaryKey"]
        );
    }
}

#[test]
fn several_identities_are_changed_at_once_and_each_succeeds_or_fails_by_itself() {
    let hub = hub();
    let bulk = |entries: Value| as_owner(&hub, "POST /devices", Some(entries)).body;
    let made = bulk(json!([
        {"id": "a", "importMode": "create", "status": "disabled"},
        {"id": "b"},
        {"id": "b", "moduleId": "m", "importMode": "create"},
    ]));
    assert_eq!(made["isSuccessful"], true, "{made}");
    assert_eq!(
        as_owner(&hub, "GET /devices/a", None).body["status"],
        "disabled"
    );
    assert_eq!(as_owner(&hub, "GET /devices/b/modules/m", None).status, 200);
    let mixed = bulk(json!([
        {"id": "a", "importMode": "create"},
        {"id": "a", "importMode": "updateIfMatchETag", "eTag": "stale"},
        {"id": "a", "importMode": "update", "status": "enabled"},
        {"id": "b", "importMode": "rename"},
        {"id": "c", "importMode": "create", "colour": "red"},
    ]));
    assert_eq!(mixed["isSuccessful"], false);
    let codes = mixed["errors"].as_array().unwrap().iter();
    let codes: Vec<_> = codes
        .map(|error| error["errorCode"].as_str().unwrap())
        .collect();
    let expected = [
        "DeviceAlreadyExists",
        "PreconditionFailed",
        "ArgumentInvalid",
        "DeserializationError",
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        as_owner(&hub, "GET /devices/a", None).body["status"],
        "enabled"
    );
    let gone = bulk(json!([{"id": "a", "importMode": "delete"}]));
    assert_eq!(gone["isSuccessful"], true, "{gone}");
    assert_eq!(as_owner(&hub, "GET /devices/a", None).status, 404);
    let many: Vec<_> = (0..101).map(|n| json!({ "id": n.to_string() })).collect();
    assert_eq!(
        as_owner(&hub, "POST /devices", Some(many.into())).status,
        400
    );
}
