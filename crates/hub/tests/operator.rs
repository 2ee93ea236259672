//! The operator's REST interface, spoken to in plain HTTP/1.1 over TLS.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::rest::*;
use common::*;
use local_hub::{Ack, Message};
use serde_json::{Value, json};

#[test]
fn a_device_is_created_read_changed_and_deleted_in_azures_shape() {
    let hub = hub();
    let created = as_owner(&hub, "PUT /devices/d", Some(json!({ "deviceId": "d" })));
    assert_eq!(created.status, 200);
    assert_eq!(created.body["authentication"]["type"], "sas");
    assert_eq!(created.body["status"], "enabled");
    assert_eq!(created.body["connectionState"], "Disconnected");
    assert_eq!(created.body["capabilities"]["iotEdge"], false);
    let etag = created.body["etag"].as_str().unwrap().to_owned();
    assert!(
        created
            .head
            .contains(&format!("etag: \"{}\"", etag.to_ascii_lowercase())),
        "{}",
        created.head
    );
    let key = created.body["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let device = Device {
        id: "d".into(),
        key: key.into(),
    };
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.ping();
    assert_eq!(
        as_owner(&hub, "GET /devices/d", None).body["connectionState"],
        "Connected"
    );

    assert_eq!(
        as_owner(&hub, "PUT /devices/d", Some(json!({ "deviceId": "d" }))).status,
        409
    );
    let change = |etag: &str, body: Value| {
        let headers = [
            ("Authorization", &*authorization(&hub, "iothubowner")),
            ("If-Match", etag),
        ];
        request(&hub, "PUT /devices/d?api-version=x", &headers, Some(body))
    };
    assert_eq!(
        change("\"other\"", json!({ "status": "disabled" })).status,
        412
    );
    let changed = change(
        &format!("\"{etag}\""),
        json!({ "deviceId": "d", "status": "disabled" }),
    );
    assert_eq!(
        (changed.status, &changed.body["status"]),
        (200, &json!("disabled"))
    );
    assert_eq!(
        changed.body["authentication"]["symmetricKey"]["primaryKey"],
        key
    );
    client.expect_close();

    let headers = [
        ("Authorization", &*authorization(&hub, "iothubowner")),
        ("If-Match", "*"),
    ];
    assert_eq!(
        request(&hub, "DELETE /devices/d?api-version=x", &headers, None).status,
        204
    );
    assert_eq!(as_owner(&hub, "GET /devices/d", None).status, 404);
}

#[test]
fn keys_are_renewed_by_the_entry_as_az_sends_it_back_and_connections_close() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    as_owner(&hub, "PUT /devices/d/modules/m", Some(json!({}))).body["etag"]
        .as_str()
        .unwrap();
    for path in ["/devices/d", "/devices/d/modules/m"] {
        let get = || as_owner(&hub, &format!("GET {path}"), None).body;
        let mut entry = get();
        let etag = format!("\"{}\"", entry["etag"].as_str().unwrap());
        let keys = entry["authentication"]["symmetricKey"].clone();
        entry["authentication"]["symmetricKey"] = json!({
            "primaryKey": keys["secondaryKey"], "secondaryKey": keys["primaryKey"],
        });
        let mut client =
            (path == "/devices/d").then(|| Client::accepted(&hub, &device, Options::default()));
        let put = |etag: &str| {
            let headers = [("If-Match", etag)];
            as_owner_with(&hub, &format!("PUT {path}"), &headers, Some(entry.clone()))
        };
        let swapped = put(&etag);
        assert_eq!(swapped.status, 200, "{swapped:?}");
        let now = &get()["authentication"]["symmetricKey"];
        assert_eq!(now["primaryKey"], keys["secondaryKey"]);
        assert_eq!(now["secondaryKey"], keys["primaryKey"]);
        // Somebody who read the entry before does not undo it.
        assert_eq!(put(&etag).status, 412);
        if let Some(client) = &mut client {
            client.expect_close();
        }
    }
    // The key that went to the second place still proves the device.
    Client::accepted(&hub, &device, Options::default()).ping();
}

#[test]
fn errors_have_azures_codes() {
    let hub = hub();
    let missing = as_owner(&hub, "GET /devices/nobody", None);
    assert_eq!(missing.status, 404);
    assert!(
        missing.body["Message"]
            .as_str()
            .unwrap()
            .starts_with("ErrorCode:DeviceNotFound;")
    );
    assert!(
        missing.body["ExceptionMessage"]
            .as_str()
            .unwrap()
            .starts_with("Tracking ID:")
    );
    assert!(
        missing.head.contains("iothub-errorcode: devicenotfound"),
        "{}",
        missing.head
    );
    let bad = as_owner(&hub, "PUT /devices/a%20b", Some(json!({})));
    assert_eq!(bad.status, 400);
    assert!(
        bad.body["Message"]
            .as_str()
            .unwrap()
            .starts_with("ErrorCode:ArgumentInvalid;")
    );
    let differing = as_owner(&hub, "PUT /devices/a", Some(json!({ "deviceId": "b" })));
    assert_eq!(differing.status, 400);
    assert_eq!(as_owner(&hub, "GET /nonsense", None).status, 404);
}

#[test]
fn nobody_gets_in_without_a_token_of_the_right_policy() {
    let hub = hub();
    let owner = authorization(&hub, "iothubowner");
    let status = |line: &str, authorization: Option<&str>| {
        let headers: Vec<_> = authorization
            .into_iter()
            .map(|value| ("Authorization", value))
            .collect();
        request(&hub, line, &headers, Some(json!({}))).status
    };
    let get = "GET /devices?api-version=2021-04-12";
    assert_eq!(status(get, Some(&owner)), 200);
    assert_eq!(
        status("GET /devices", Some(&owner)),
        400,
        "without api-version"
    );
    assert_eq!(status(get, None), 401);
    assert_eq!(status(get, Some("nonsense")), 401);
    assert_eq!(status(get, Some(&owner.replace("sig=", "sig=AAAA"))), 401);
    assert_eq!(
        status(get, Some(&owner.replace("iothubowner", "service"))),
        401
    );
    let device = Device::create(&hub, "d");
    assert_eq!(
        status(get, Some(&device.token(3600))),
        401,
        "a device's own token"
    );
    assert_eq!(status(get, Some(&authorization(&hub, "registryRead"))), 200);
    assert_eq!(status(get, Some(&authorization(&hub, "service"))), 401);
    let put = "PUT /devices/e?api-version=2021-04-12";
    assert_eq!(status(put, Some(&authorization(&hub, "registryRead"))), 401);
    assert_eq!(
        status(put, Some(&authorization(&hub, "registryReadWrite"))),
        200
    );
    let send = "POST /devices/d/messages/deviceBound?api-version=2021-04-12";
    assert_eq!(
        status(send, Some(&authorization(&hub, "registryReadWrite"))),
        401
    );
    assert_eq!(status(send, Some(&authorization(&hub, "service"))), 204);
    let key = hub.service_connection_string("iothubowner").unwrap();
    let key = key.split_once("SharedAccessKey=").unwrap().1;
    let expired = format!("{}&skn=iothubowner", token("localhost", key, -400));
    assert_eq!(status(get, Some(&expired)), 401);
    let plain = format!("{}&skn=iothubowner", token("localhost", key, 60));
    assert_eq!(status(get, Some(&plain)), 200, "the resource needs no port");
}

#[test]
fn modules_thumbprints_and_statistics_are_served() {
    let hub = hub();
    as_owner(&hub, "PUT /devices/d", Some(json!({})));
    assert_eq!(
        as_owner(
            &hub,
            "PUT /devices/d/modules/m",
            Some(json!({ "moduleId": "m" }))
        )
        .status,
        200
    );
    assert_eq!(
        as_owner(&hub, "PUT /devices/x/modules/m", Some(json!({}))).status,
        404
    );
    assert_eq!(
        as_owner(&hub, "GET /devices/d/modules", None).body[0]["moduleId"],
        "m"
    );
    assert_eq!(as_owner(&hub, "GET /devices/d/modules/n", None).status, 404);
    let thumbprint = "AB".repeat(32);
    let authentication =
        json!({ "type": "selfSigned", "x509Thumbprint": { "primaryThumbprint": thumbprint } });
    let made = as_owner(
        &hub,
        "PUT /devices/e",
        Some(json!({ "authentication": authentication })),
    );
    assert_eq!(
        made.body["authentication"]["x509Thumbprint"]["primaryThumbprint"],
        thumbprint
    );
    assert_eq!(
        as_owner(&hub, "GET /devices?top=1", None)
            .body
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let statistics = as_owner(&hub, "GET /statistics/devices", None).body;
    assert_eq!(statistics["totalDeviceCount"], 2);
    assert_eq!(
        as_owner(&hub, "GET /statistics/service", None).body["connectedDeviceCount"],
        0
    );
}

#[test]
fn feedback_is_given_in_batches_after_its_time_and_stays_until_it_is_completed() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 0);
    let message = Message {
        message_id: Some("m1".into()),
        ack: Some(Ack::Full),
        ..Message::new("x")
    };
    hub.send_c2d("d", message).unwrap();
    client.publish();
    client.ping();
    let get = || as_owner(&hub, "GET /messages/serviceBound/feedback", None);
    assert_eq!(get().status, 204, "a batch waits for 15 s or 64 records");
    hub.shift_clock(15);
    let batch = get();
    assert_eq!(batch.status, 200);
    assert_eq!(batch.body[0]["originalMessageId"], "m1");
    assert_eq!(batch.body[0]["statusCode"], "Success");
    assert_eq!(
        batch.body[0]["deviceGenerationId"],
        hub.device("d").unwrap().generation_id
    );
    assert_eq!(get().status, 200);
    let token = batch
        .head
        .split("etag: \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let complete = format!("DELETE /messages/serviceBound/feedback/{token}");
    assert_eq!(as_owner(&hub, &complete, None).status, 204);
    assert_eq!(as_owner(&hub, &complete, None).status, 412);
    assert_eq!(get().status, 204);
}

#[test]
fn waiting_messages_are_purged() {
    let hub = hub();
    Device::create(&hub, "d");
    hub.send_c2d("d", Message::new("x")).unwrap();
    let purged = as_owner(&hub, "DELETE /devices/d/commands", None);
    assert_eq!(
        (purged.status, &purged.body["totalMessagesPurged"]),
        (200, &json!(1))
    );
    assert_eq!(hub.pending_c2d("d"), 0);
}
