//! The twin and what goes with it against the hub: larger than the receive buffer, deleted, made again.

use azure_device_app::{App, MODEL_ID};
use azure_device_host::runner::Settings;
use local_hub::{Authentication, Chain, Config, Fault, Hub, Message, SymmetricKeys};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Program};
use crate::support::{access, desire, hub, start_with, wait_for_reported};

/// Members of nearly 32 KB, as IoT Hub counts them, under this name.
fn ballast() -> Value {
    let strings: Vec<String> = (0..9).map(|_| "é".repeat(1_750)).collect();
    let mut nested = json!("end");
    for _ in 0..8 {
        nested = json!({ "level": nested });
    }
    json!({ "strings": strings, "nested": nested })
}

#[test]
fn a_twin_of_thirty_kilobytes_is_served_through_a_receive_buffer_of_one() {
    let mut config = Config::temporary();
    config.certificate.chain = Chain::Ecc;
    config.tls_record_size = 700;
    let hub = Hub::start(config).unwrap();
    let connection_string = hub.create_sas_device("device").unwrap();
    let patch = json!({ "a": ballast(), "telemetryInterval": 3600, "z": 1 });
    desire(&hub, "device", patch);
    let size = hub.twin("device").unwrap()["properties"]["desired"]
        .to_string()
        .len();
    assert!(size > 30_000, "{size}");
    let small = |settings: &mut Settings| {
        settings.telemetry_interval = None;
        settings.receive_buffer = 1024;
    };
    let device = start_with(&access(&hub, &connection_string), small, App::default());
    let applied = |value: i64, version: i64| {
        let wanted = json!({ "value": value, "ac": 200, "av": version });
        wait_for_reported(&hub, "device", |reported| {
            reported["telemetryInterval"] == wanted
        });
    };
    applied(3600, 2);
    // A change as large as the whole, while the device is online.
    let again = json!({ "a": null, "b": ballast(), "telemetryInterval": 1800 });
    desire(&hub, "device", again);
    applied(1800, 3);
    let report = device.stop();
    assert_eq!((report.connections, report.failures), (1, 0));
    assert_eq!(report.messages_ignored, 0);
}

#[test]
fn what_does_not_fit_the_receive_buffer_is_answered_or_counted_and_the_device_goes_on() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let small = |settings: &mut Settings| {
        settings.telemetry_interval = None;
        settings.receive_buffer = 1024;
    };
    let device = start_with(&access(&hub, &connection_string), small, App::default());
    wait_for_reported(&hub, "device", |reported| {
        reported["firmwareVersion"].is_string()
    });
    let large = "x".repeat(100_000);
    let answer = hub
        .invoke_method(
            "device",
            "setTelemetryInterval",
            &json!({ "seconds": large }),
            PATIENCE,
        )
        .unwrap();
    assert_eq!(answer.status, 413);
    let reason = answer.payload["error"].as_str().unwrap();
    assert!(reason.contains("the device takes 1024 at most"), "{reason}");
    hub.send_c2d("device", Message::new("y".repeat(20_000)))
        .unwrap();
    let answer = hub
        .invoke_method(
            "device",
            "setTelemetryInterval",
            &json!({ "seconds": 7.0 }),
            PATIENCE,
        )
        .unwrap();
    assert_eq!(
        (answer.status, answer.payload),
        (200, json!({ "seconds": 7 }))
    );
    let report = device.stop();
    assert_eq!((report.messages_ignored, report.messages_taken), (1, 0));
    assert_eq!((report.connections, report.failures), (1, 0));
}

#[test]
fn the_program_announces_its_model_and_acknowledges_a_property_of_a_component_in_its_shape() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let options = ["--interval", "never"];
    let _program = Program::device(&access(&hub, &connection_string), &options);
    wait_for_reported(&hub, "device", |reported| {
        reported["firmwareVersion"].is_string()
    });
    assert_eq!(hub.twin("device").unwrap()["modelId"], MODEL_ID);
    for (desired, value, code, version) in [
        (json!(false), false, 200, 2),
        (json!("dark"), false, 400, 3),
        (json!(true), true, 200, 4),
    ] {
        let component = json!({ "indicator": { "__t": "c", "enabled": desired } });
        desire(&hub, "device", component);
        let reported = wait_for_reported(&hub, "device", |reported| {
            reported["indicator"]["enabled"]["av"] == version
        });
        let enabled = &reported["indicator"]["enabled"];
        assert_eq!(reported["indicator"]["__t"], "c");
        assert_eq!(
            (&enabled["value"], &enabled["ac"]),
            (&json!(value), &json!(code))
        );
        assert_eq!(enabled["ad"].is_string(), code == 400, "{enabled}");
    }
}

#[test]
fn what_was_deleted_while_the_device_was_away_is_undone_and_an_old_refusal_is_taken_back() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let refused =
        json!({ "telemetryInterval": "often", "indicator": { "__t": "c", "enabled": false } });
    desire(&hub, "device", refused);
    let quiet = |settings: &mut Settings| settings.telemetry_interval = None;
    let device = start_with(&access(&hub, &connection_string), quiet, App::default());
    wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"]["ad"].is_string()
    });
    // The connection breaks; meanwhile an operator deletes both. Its next one takes a second at most.
    hub.inject("device", Fault::RefuseConnect { code: 3, times: 1 })
        .unwrap();
    hub.inject("device", Fault::DropConnection).unwrap();
    desire(
        &hub,
        "device",
        json!({ "telemetryInterval": null, "indicator": null }),
    );
    let wanted = json!({ "value": 0, "ac": 203, "av": 0 });
    let reported = wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"] == wanted
    });
    let enabled = json!({ "value": true, "ac": 203, "av": 0 });
    assert_eq!(reported["indicator"]["enabled"], enabled);
    assert_eq!(device.stop().connections, 2);

    // A device that starts again does not know what an earlier one was refused.
    desire(&hub, "device", json!({ "telemetryInterval": "often" }));
    let device = start_with(&access(&hub, &connection_string), quiet, App::default());
    wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"]["ad"].is_string()
    });
    device.stop();
    desire(&hub, "device", json!({ "telemetryInterval": null }));
    let device = start_with(&access(&hub, &connection_string), quiet, App::default());
    wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"] == wanted
    });
    device.stop();
}

#[test]
fn a_device_that_was_deleted_and_made_again_reports_all_its_properties() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    desire(&hub, "device", json!({ "telemetryInterval": 3600 }));
    let quiet = |settings: &mut Settings| settings.telemetry_interval = None;
    let key = connection_string.rsplit_once("SharedAccessKey=").unwrap().1;
    let device = start_with(&access(&hub, &connection_string), quiet, App::default());
    wait_for_reported(&hub, "device", |reported| {
        reported["telemetryInterval"]["av"] == 2
    });
    hub.delete_device("device").unwrap();
    let keys = SymmetricKeys {
        primary_key: key.into(),
        secondary_key: key.into(),
    };
    hub.create_device("device", Authentication::Sas(keys))
        .unwrap();
    let reported = wait_for_reported(&hub, "device", |reported| {
        // It was refused if it came back between the two, and then waits for minutes.
        device.remote().retry_now();
        !reported["telemetryInterval"].is_null()
    });
    let wanted = json!({ "value": 0, "ac": 203, "av": 0 });
    assert_eq!(reported["telemetryInterval"], wanted);
    let enabled = json!({ "value": true, "ac": 203, "av": 0 });
    assert_eq!(reported["indicator"]["enabled"], enabled);
    assert!(reported["firmwareVersion"].is_string());
    device.stop();
}
