//! The device's interface over HTTPS: telemetry, and messages to the device under locks.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::rest::*;
use common::*;
use local_hub::{Ack, Config, Hub, Message, Outcome, Status};

const VERSION: &str = "api-version=2021-04-12";

/// A request with the device's own token.
fn ask(hub: &Hub, device: &Device, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    ask_with(hub, &device.token(3600), line, headers, body)
}

fn ask_with(hub: &Hub, token: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let joint = if line.contains('?') { "&" } else { "?" };
    let mut text = format!(
        "{line}{joint}{VERSION} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in [("Authorization", token)].iter().chain(headers) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    raw(hub, format!("{text}\r\n{body}").as_bytes())
}

/// A message with feedback and a property.
fn message(id: &str) -> Message {
    Message {
        message_id: Some(id.into()),
        correlation_id: Some("c".into()),
        ack: Some(Ack::Full),
        properties: vec![("level".into(), "7".into())],
        ..Message::new("hi")
    }
}

#[test]
fn telemetry_over_https_is_stored_with_its_properties() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let headers = [
        ("iothub-app-alert", "true"),
        ("IoTHub-MessageId", "m1"),
        ("iothub-contenttype", "application/json"),
        ("X-Other", "not a property"),
    ];
    let line = "POST /devices/d/messages/events";
    let sent = ask(&hub, &device, line, &headers, "{\"t\":1}");
    assert_eq!(sent.status, 204, "{sent:?}");
    let event = &wait_for_events(&hub, 1)[0];
    assert_eq!(event.body, b"{\"t\":1}");
    assert_eq!(event.properties.len(), 1);
    assert_eq!(event.properties["alert"].as_deref(), Some("true"));
    assert_eq!(event.system["message_id"], "m1");
    assert_eq!(event.system["content_type"], "application/json");
    assert_eq!(event.annotations["iothub-connection-device-id"], "d");
    assert!(event.annotations["iothub-connection-auth-method"].contains("\"device\""));
}

#[test]
fn a_batch_over_https_is_several_events_whose_properties_keep_their_case() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let body = format!(
        r#"[{{"body":"{}","properties":{{"iothub-app-Alert":"a","iothub-messageid":"1"}}}},
            {{"body":"text","base64Encoded":false,"properties":{{"Own":"b"}}}}]"#,
        STANDARD.encode("first")
    );
    let kind = [("Content-Type", "application/vnd.microsoft.iothub.json")];
    let line = "POST /devices/d/messages/events";
    assert_eq!(ask(&hub, &device, line, &kind, &body).status, 204);
    let events = wait_for_events(&hub, 2);
    assert_eq!(events[0].body, b"first");
    assert_eq!(events[0].properties["Alert"].as_deref(), Some("a"));
    assert_eq!(events[0].system["message_id"], "1");
    assert_eq!(events[1].body, b"text");
    assert_eq!(events[1].properties["Own"].as_deref(), Some("b"));
    for bad in [r#"[{"body":"%"}]"#, r#"{"body":""}"#, "["] {
        assert_eq!(ask(&hub, &device, line, &kind, bad).status, 400, "{bad}");
    }
    assert_eq!(hub.events().len(), 2);
}

#[test]
fn telemetry_that_is_too_large_or_has_properties_that_http_cannot_carry_is_refused() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let line = "POST /devices/d/messages/events";
    let large = "x".repeat(262_144);
    assert_eq!(ask(&hub, &device, line, &[], &large).status, 204);
    let with_property = [("iothub-app-a", "b")];
    let refused = ask(&hub, &device, line, &with_property, &large);
    assert_eq!(refused.status, 413, "{refused:?}");
    let larger = format!("{large}x");
    assert_eq!(ask(&hub, &device, line, &[], &larger).status, 413);
    let refused = ask(&hub, &device, line, &[("iothub-app-a", "b c")], "");
    assert_eq!(refused.status, 400);
    let told = refused.body["Message"].as_str().unwrap();
    assert!(told.contains("property \"a\""), "{told}");
}

#[test]
fn a_message_is_received_under_a_lock_and_completed_rejected_or_abandoned() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let get = |path: &str| {
        ask(
            &hub,
            &device,
            &format!("GET /devices/d/messages/{path}"),
            &[],
            "",
        )
    };
    assert_eq!(get("devicebound").status, 204);
    for id in ["m1", "m2"] {
        hub.send_c2d("d", message(id)).unwrap();
    }
    let first = get("devicebound");
    assert_eq!(first.status, 200, "{first:?}");
    for (name, value) in [
        ("iothub-messageid", "m1"),
        ("iothub-correlationid", "c"),
        ("iothub-to", "/devices/d/messages/deviceBound"),
        ("iothub-ack", "full"),
        ("iothub-app-level", "7"),
        ("iothub-deliverycount", "1"),
        ("iothub-sequencenumber", "0"),
    ] {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    // While the first is locked, the second is received.
    let second = get("deviceBound");
    assert_eq!(second.header("iothub-messageid"), Some("m2"));
    let settle = |line: String| ask(&hub, &device, &line, &[], "").status;
    let lock = |reply: &Reply| reply.etag().trim_matches('"').to_owned();
    let path = |reply: &Reply| format!("/devices/d/messages/devicebound/{}", lock(reply));
    assert_eq!(settle(format!("POST {}/abandon", path(&first))), 204);
    assert_eq!(settle(format!("DELETE {}", path(&first))), 412);
    let again = get("devicebound");
    assert_eq!(again.header("iothub-messageid"), Some("m1"));
    assert_eq!(again.header("iothub-deliverycount"), Some("2"));
    assert_eq!(settle(format!("DELETE {}", path(&again))), 204);
    // The etag with its quotes is a lock token, too.
    let quoted = format!("/devices/d/messages/deviceBound/%22{}%22", lock(&second));
    assert_eq!(settle(format!("DELETE {quoted}?reject=true")), 204);
    assert_eq!(settle(format!("DELETE {quoted}?reject=true")), 412);
    assert_eq!(
        settle("DELETE /devices/d/messages/devicebound/zz".into()),
        412
    );
    let outcomes: Vec<_> = hub
        .take_feedback()
        .unwrap()
        .into_iter()
        .map(|record| (record.original_message_id, record.status_code))
        .collect();
    let expected = [
        ("m1".to_owned(), Outcome::Success),
        ("m2".to_owned(), Outcome::Rejected),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(hub.pending_c2d("d"), 0);
}

#[test]
fn the_owner_receives_and_settles_a_devices_messages_as_az_does() {
    let hub = hub();
    Device::create(&hub, "d");
    for id in ["completed", "rejected", "abandoned"] {
        hub.send_c2d("d", message(id)).unwrap();
    }
    let path = "/devices/d/messages/deviceBound";
    let receive = || as_owner(&hub, &format!("GET {path}"), None);
    let settle = |line: String| as_owner(&hub, &line, None).status;
    let mut locks = Vec::new();
    for id in ["completed", "rejected", "abandoned"] {
        let reply = receive();
        assert_eq!(reply.header("iothub-messageid"), Some(id), "{reply:?}");
        locks.push(reply.etag().trim_matches('"').to_owned());
    }
    assert_eq!(receive().status, 204);
    assert_eq!(settle(format!("DELETE {path}/{}", locks[0])), 204);
    // `az` sends the parameter without a value.
    assert_eq!(settle(format!("DELETE {path}/{}?reject=", locks[1])), 204);
    assert_eq!(settle(format!("POST {path}/{}/abandon", locks[2])), 204);
    let again = receive();
    assert_eq!(again.header("iothub-messageid"), Some("abandoned"));
    assert_eq!(again.header("iothub-deliverycount"), Some("2"));
    let outcomes = hub.take_feedback().unwrap().into_iter();
    let outcomes: Vec<_> = outcomes.map(|record| record.status_code).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Rejected]);
    for lock in locks {
        assert_eq!(settle(format!("DELETE {path}/{lock}")), 412);
    }
}

#[test]
fn a_lock_times_out_and_deliveries_are_counted_over_https_as_over_mqtt() {
    let hub = hub_with(|config: &mut Config| {
        config.limits.c2d_lock = Duration::from_millis(50);
        config.limits.c2d_max_delivery_count = 2;
    });
    let device = Device::create(&hub, "d");
    hub.send_c2d("d", message("m1")).unwrap();
    let receive = || {
        ask(
            &hub,
            &device,
            "GET /devices/d/messages/devicebound",
            &[],
            "",
        )
    };
    let received = |count: &str| loop {
        let reply = receive();
        if reply.status == 200 {
            assert_eq!(reply.header("iothub-deliverycount"), Some(count));
            break reply;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let first = received("1");
    received("2");
    let lock = first.etag();
    let line = format!(
        "DELETE /devices/d/messages/devicebound/{}",
        lock.trim_matches('"')
    );
    assert_eq!(ask(&hub, &device, &line, &[], "").status, 412);
    let deadline = std::time::Instant::now() + PATIENCE;
    while hub.pending_c2d("d") > 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let feedback = hub.take_feedback().unwrap();
    assert_eq!(feedback[0].status_code, Outcome::DeliveryCountExceeded);
}

#[test]
fn a_device_over_https_proves_its_identity_and_nobody_elses() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let other = Device::create(&hub, "e");
    let lines = [
        "POST /devices/d/messages/events",
        "GET /devices/d/messages/devicebound",
        "DELETE /devices/d/messages/devicebound/0",
    ];
    for line in lines {
        for token in [other.token(3600), device.token(-3600), "nonsense".into()] {
            assert_eq!(ask_with(&hub, &token, line, &[], "").status, 401, "{line}");
        }
        let service = authorization(&hub, "service");
        assert_eq!(ask_with(&hub, &service, line, &[], "").status, 401);
    }
    let unknown = token("localhost/devices/f", &device.key, 3600);
    let line = "POST /devices/f/messages/events";
    assert_eq!(ask_with(&hub, &unknown, line, &[], "").status, 401);
    // A policy that may connect as any device, and a token with the port.
    let owner = authorization(&hub, "device");
    let host = format!("localhost:{}", hub.operator_endpoint().port());
    let text = format!("POST /devices/d/messages/events?{VERSION}");
    let sent = request(&hub, &text, &[("Authorization", owner.as_str())], None);
    assert_eq!(sent.status, 204, "{sent:?}");
    let own = token(&format!("{host}/devices/d"), &device.key, 3600);
    let sent = request(&hub, &text, &[("Authorization", own.as_str())], None);
    assert_eq!(sent.status, 204, "{sent:?}");
    hub.set_status("d", Status::Disabled).unwrap();
    assert_eq!(ask(&hub, &device, lines[0], &[], "").status, 401);
    assert_eq!(hub.events().len(), 2);
}
