//! An operator changes the device's twin and calls its methods.

use std::thread;
use std::time::{Duration, Instant};

use azure_device_app::App;
use azure_device_host::runner::{DeviceThread, Settings};
use local_hub::{Close, Hub, MethodResponse};
use serde_json::{Value, json};

use crate::program::PATIENCE;
use crate::support::{access, desire, hub, reported, start_with, wait_for_reported};

/// A device that sends nothing by itself, as `device`, after it has read its twin and reported.
fn join(hub: &Hub) -> DeviceThread {
    let connection_string = hub.create_sas_device("device").unwrap();
    let quiet = |settings: &mut Settings| settings.telemetry_interval = None;
    let device = start_with(&access(hub, &connection_string), quiet, App::default());
    wait_for_reported(hub, "device", |reported| {
        reported["firmwareVersion"].is_string()
    });
    device
}

fn call(hub: &Hub, name: &str, payload: Value) -> MethodResponse {
    hub.invoke_method("device", name, &payload, PATIENCE)
        .unwrap()
}

#[test]
fn the_telemetry_interval_changes_in_the_twin_and_is_acknowledged() {
    let hub = hub();
    let device = join(&hub);
    assert!(hub.events().is_empty());
    assert_eq!(
        reported(&hub, "device")["telemetryInterval"],
        json!({ "value": 0, "ac": 203, "av": 0 }),
        "as the device has it"
    );
    desire(
        &hub,
        "device",
        json!({ "telemetryInterval": 1, "unknown": { "a": [1] } }),
    );
    let reported = wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"]["av"] == 2
    });
    assert_eq!(
        reported["telemetryInterval"],
        json!({ "value": 1, "ac": 200, "av": 2 })
    );
    let (enough, events) = hub.wait_for_events(PATIENCE, |events| events.len() >= 3);
    assert!(enough, "{events:?}");

    desire(&hub, "device", json!({ "telemetryInterval": "often" }));
    let reported = wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"]["av"] == 3
    });
    let refusal = &reported["telemetryInterval"];
    assert_eq!(
        (&refusal["value"], &refusal["ac"]),
        (&json!(1), &json!(400))
    );
    assert!(refusal["ad"].as_str().unwrap().contains("seconds"));
    let report = device.stop();
    assert_eq!((report.connections, report.failures), (1, 0));
}

#[test]
fn what_was_desired_while_the_device_was_away_is_applied_when_it_joins() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    desire(&hub, "device", json!({ "telemetryInterval": 2 }));
    desire(&hub, "device", json!({ "telemetryInterval": 1 }));
    let quiet = |settings: &mut Settings| settings.telemetry_interval = None;
    let device = start_with(&access(&hub, &connection_string), quiet, App::default());
    let reported = wait_for_reported(&hub, "device", |reported| {
        !reported["telemetryInterval"].is_null()
    });
    assert_eq!(
        reported["telemetryInterval"],
        json!({ "value": 1, "ac": 200, "av": 3 })
    );
    assert!(hub.wait_for_events(PATIENCE, |events| events.len() >= 2).0);
    device.stop();
}

#[test]
fn every_method_of_the_application_answers() {
    let hub = hub();
    let device = join(&hub);
    let set = call(&hub, "setTelemetryInterval", json!({ "seconds": 3600 }));
    assert_eq!((set.status, set.payload), (200, json!({ "seconds": 3600 })));
    wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"] == json!({ "value": 3600, "ac": 203, "av": 0 })
    });

    let status = call(&hub, "getStatus", Value::Null);
    assert_eq!(status.status, 200);
    assert_eq!(status.payload["telemetryInterval"], 3600);
    assert!(status.payload["uptimeSeconds"].is_u64());

    let before = Instant::now();
    let blinked = call(&hub, "blink", json!({ "times": 2 }));
    assert_eq!(
        (blinked.status, blinked.payload),
        (200, json!({ "blinked": true }))
    );
    // Twice half a second, less the millisecond by which a clock of whole milliseconds can be behind.
    assert!(before.elapsed() >= Duration::from_millis(999));

    for (name, payload, status) in [
        ("setTelemetryInterval", json!({ "seconds": -1 }), 400),
        ("setTelemetryInterval", Value::Null, 400),
        ("blink", json!({ "times": 61 }), 400),
        ("selfDestruct", json!({}), 404),
    ] {
        let refused = call(&hub, name, payload);
        assert_eq!(refused.status, status, "{name}");
        assert!(refused.payload["error"].is_string(), "{name}");
    }
    let report = device.stop();
    assert_eq!((report.connections, report.failures), (1, 0));
}

#[test]
fn a_reboot_is_answered_before_the_device_says_goodbye_and_comes_back() {
    let hub = hub();
    let device = join(&hub);
    assert_eq!(call(&hub, "reboot", Value::Null).status, 200);
    let of_device = |close: &Close| close.client_id.as_deref() == Some("device");
    let close = hub.wait_for_close(PATIENCE, of_device).unwrap();
    assert_eq!(close.reason, "the client sent DISCONNECT");
    assert!(hub.wait_connected("device", true, PATIENCE));
    device.stop();
}

#[test]
fn a_slow_method_does_not_stop_the_device() {
    let hub = hub();
    let device = join(&hub);
    thread::scope(|scope| {
        let slow = scope.spawn(|| call(&hub, "blink", json!({ "times": 10 })));
        // It runs for five seconds; others are answered meanwhile.
        thread::sleep(Duration::from_millis(500));
        let second = call(&hub, "blink", json!({ "times": 1 }));
        assert_eq!(second.status, 400, "{}", second.payload);
        assert_eq!(call(&hub, "getStatus", Value::Null).status, 200);
        assert!(!slow.is_finished());
        assert_eq!(slow.join().unwrap().status, 200);
    });
    device.stop();
}
