//! Registry, queries, devices and provisioning.

use std::path::Path;

use libtest_mimic::Trial;
use local_hub::{Attestation, Enrollment, Message, SymmetricKeys};
use serde_json::{Value, json};

use crate::peers::{NODE, trials};
use crate::sdk::{PATIENCE, Sdk};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iothub",
        NODE,
        the_registry_lists_changes_and_deletes_one_by_one_and_in_bulk,
        twins_are_queried_in_pages,
        jobs_are_refused_by_name,
        a_device_over_mqtt_does_all_that_a_device_does,
        a_device_over_websocket_does_all_that_a_device_does,
        a_device_over_https_sends_telemetry,
        enrolments_are_made_queried_and_deleted,
        a_device_is_provisioned_over_mqtt_and_over_websocket,
    )
}

fn ids(devices: &Value) -> Vec<&str> {
    let all = devices.as_array().unwrap().iter();
    all.map(|device| device["deviceId"].as_str().unwrap())
        .collect()
}

fn the_registry_lists_changes_and_deletes_one_by_one_and_in_bulk(node: &Path) {
    let mut sdk = Sdk::start(node);
    let made = sdk.registry("create", json!([{ "deviceId": "one" }]));
    assert!(
        made["authentication"]["symmetricKey"]["primaryKey"].is_string(),
        "{made}"
    );
    let many = json!([{ "deviceId": "two" }, { "deviceId": "three", "status": "disabled" }]);
    let added = sdk.registry("addDevices", json!([many]));
    assert_eq!(added["isSuccessful"], true, "{added}");
    let again = sdk.registry("addDevices", json!([[{ "deviceId": "two" }]]));
    assert_eq!(again["isSuccessful"], false, "{again}");
    assert_eq!(again["errors"][0]["deviceId"], "two");
    let listed = sdk.registry("list", json!([]));
    assert_eq!(ids(&listed), ["one", "three", "two"]);
    let mut one = sdk.registry("get", json!(["one"]));
    one["status"] = json!("disabled");
    let changed = sdk.registry("update", json!([one]));
    assert_eq!(changed["status"], "disabled", "{changed}");
    let removed = sdk.registry("removeDevices", json!([many, true]));
    assert_eq!(removed["isSuccessful"], true, "{removed}");
    sdk.registry("delete", json!(["one"]));
    let missing = sdk.attempt("registry", json!({ "call": "get", "arguments": ["one"] }));
    assert_eq!(missing["status"], 404, "{missing}");
}

fn twins_are_queried_in_pages(node: &Path) {
    let mut sdk = Sdk::start(node);
    for number in 0..5 {
        let id = format!("d{number}");
        sdk.hub.create_sas_device(&id).unwrap();
        let tags = json!({ "tags": { "floor": number % 2 } });
        sdk.hub.patch_twin(&id, &tags).unwrap();
    }
    let query = json!({ "query": "SELECT * FROM devices WHERE tags.floor = 0", "size": 2 });
    let pages = sdk.run("query", query);
    let pages: Vec<_> = pages.as_array().unwrap().iter().map(ids).collect();
    assert_eq!(pages, [vec!["d0", "d2"], vec!["d4"]]);
    let bad = sdk.attempt(
        "query",
        json!({ "query": "SELECT * FROM nothing", "size": 2 }),
    );
    assert_eq!(bad["status"], 400, "{bad}");
}

fn jobs_are_refused_by_name(node: &Path) {
    let mut sdk = Sdk::start(node);
    let refused = sdk.attempt("registry", json!({ "call": "listJobs", "arguments": [] }));
    assert_eq!(refused["status"], 404);
    let told = refused["error"].as_str().unwrap();
    assert!(told.contains("jobs are not served"), "{told}");
}

fn a_device_over_mqtt_does_all_that_a_device_does(node: &Path) {
    does_all(node, "mqtt");
}

fn a_device_over_websocket_does_all_that_a_device_does(node: &Path) {
    does_all(node, "mqtt-ws");
}

fn does_all(node: &Path, transport: &str) {
    let mut sdk = Sdk::start(node);
    sdk.open("d", transport);
    sdk.run(
        "send",
        json!({ "body": "{\"t\":21.5}", "properties": { "a b": "1+1=2&%" } }),
    );
    let (enough, events) = sdk
        .hub
        .wait_for_events(PATIENCE, |events| !events.is_empty());
    assert!(enough);
    assert_eq!(events[0].to_json()["event"]["payload"]["t"], 21.5);
    assert_eq!(events[0].properties["a b"].as_deref(), Some("1+1=2&%"));

    let desired = json!({ "properties": { "desired": { "interval": 5 } } });
    sdk.hub.patch_twin("d", &desired).unwrap();
    let twin = sdk.run("twin", json!({}));
    assert_eq!(twin["desired"]["interval"], 5, "{twin}");
    sdk.run(
        "report",
        json!({ "properties": { "state": { "on": true } } }),
    );
    let twin = sdk.hub.twin("d").unwrap();
    assert_eq!(twin["properties"]["reported"]["state"]["on"], true);

    sdk.run("answer", json!({ "method": "blink", "status": 207 }));
    let call =
        json!({ "methodName": "blink", "payload": { "times": 3 }, "responseTimeoutInSeconds": 20 });
    let call = json!({ "call": "invokeDeviceMethod", "arguments": ["d", call] });
    let answer = sdk.run("service", call);
    assert_eq!(answer["status"], 207, "{answer}");
    assert_eq!(answer["payload"]["echo"]["times"], 3);

    sdk.run("receive", json!({}));
    sdk.hub.send_c2d("d", Message::new("hello")).unwrap();
    assert_eq!(sdk.run("received", json!({ "count": 1 })), json!(["hello"]));
    sdk.run("close", json!({}));
    assert!(sdk.hub.wait_connected("d", false, PATIENCE));
    assert_eq!(sdk.hub.pending_c2d("d"), 0);
}

fn a_device_over_https_sends_telemetry(node: &Path) {
    let mut sdk = Sdk::start(node);
    sdk.open("d", "http");
    sdk.run(
        "send",
        json!({ "body": "hi", "properties": { "level": "7" } }),
    );
    let (_, events) = sdk
        .hub
        .wait_for_events(PATIENCE, |events| !events.is_empty());
    assert_eq!(events[0].body, b"hi");
    assert_eq!(events[0].properties["level"].as_deref(), Some("7"));
}

fn enrolments_are_made_queried_and_deleted(node: &Path) {
    let mut sdk = Sdk::start(node);
    let mut call = |call: &str, arguments: Value| {
        sdk.run(
            "provisioning",
            json!({ "call": call, "arguments": arguments }),
        )
    };
    let symmetric = json!({ "type": "symmetricKey" });
    for id in ["one", "two", "three"] {
        let made = json!([{ "registrationId": id, "attestation": symmetric, "provisioningStatus": "enabled" }]);
        let made = call("createOrUpdateIndividualEnrollment", made);
        assert_eq!(made["registrationId"], id, "{made}");
    }
    let mut one = call("getIndividualEnrollment", json!(["one"]));
    one["provisioningStatus"] = json!("disabled");
    let changed = call("createOrUpdateIndividualEnrollment", json!([one]));
    assert_eq!(changed["provisioningStatus"], "disabled", "{changed}");
    let keys = call(
        "getIndividualEnrollmentAttestationMechanism",
        json!(["one"]),
    );
    assert!(keys["symmetricKey"]["primaryKey"].is_string(), "{keys}");
    let group = json!([{ "enrollmentGroupId": "g", "attestation": symmetric }]);
    assert_eq!(
        call("createOrUpdateEnrollmentGroup", group)["enrollmentGroupId"],
        "g"
    );
    call("deleteEnrollmentGroup", json!(["g"]));
    call("deleteIndividualEnrollment", json!(["two"]));
    let pages = sdk.run(
        "enrolled",
        json!({ "query": { "query": "SELECT * FROM enrollments" }, "size": 1 }),
    );
    let enrolled: Vec<_> = pages
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|page| page.as_array().unwrap())
        .collect();
    assert_eq!(enrolled.len(), 2, "{pages}");
    assert_eq!(enrolled[0]["registrationId"], "one");
}

fn a_device_is_provisioned_over_mqtt_and_over_websocket(node: &Path) {
    let mut sdk = Sdk::start(node);
    let scope = sdk.hub.id_scope().to_owned();
    for transport in ["mqtt", "mqtt-ws"] {
        let attestation = Attestation::SymmetricKey(SymmetricKeys::generated());
        let enrolled = sdk
            .hub
            .enroll(transport, Enrollment::new(attestation))
            .unwrap();
        let Attestation::SymmetricKey(keys) = enrolled.attestation else {
            panic!("{enrolled:?}");
        };
        let arguments = json!({
            "transport": transport, "scope": scope, "id": transport, "key": keys.primary_key,
        });
        let registered = sdk.run("register", arguments);
        assert_eq!(registered["status"], "assigned", "{registered}");
        assert_eq!(registered["assignedHub"], "localhost");
        assert_eq!(registered["deviceId"], transport);
    }
}
