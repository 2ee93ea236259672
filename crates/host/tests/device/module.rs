//! A module on a device: its own telemetry, twin, methods and credential.

use std::thread;
use std::time::{Duration, Instant};

use azure_device_app::App;
use local_hub::{DeviceCertificate, Hub};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Program};
use crate::support::{access, hub, reported, start_with, wait_for_reported, x509_access};

/// The id of the device, and that of the module on it.
const DEVICE: &str = "device";
const MODULE: &str = "gps";

fn create_module(hub: &Hub) -> String {
    hub.create_sas_module(DEVICE, MODULE).unwrap()
}

/// Waits until what the module reports is as `wanted` says; gives it.
#[track_caller]
fn wait_for_module(hub: &Hub, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let twin = hub.module_twin(DEVICE, MODULE).unwrap();
        let reported = &twin["properties"]["reported"];
        if wanted(reported) {
            return reported.clone();
        }
        assert!(Instant::now() < deadline, "{reported:#} {:?}", hub.closes());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_module_sends_as_itself_and_has_a_twin_and_methods_of_its_own_beside_its_device() {
    let hub = hub();
    let of_device = hub.create_sas_device(DEVICE).unwrap();
    let of_module = create_module(&hub);
    let quiet = |settings: &mut azure_device_host::runner::Settings| {
        settings.telemetry_interval = None;
    };
    let device = start_with(&access(&hub, &of_device), quiet, App::default());
    let module = start_with(&access(&hub, &of_module), quiet, App::default());
    wait_for_reported(&hub, DEVICE, |reported| {
        reported["firmwareVersion"].is_string()
    });
    wait_for_module(&hub, |reported| reported["firmwareVersion"].is_string());

    let desired = json!({ "properties": { "desired": { "telemetryInterval": 1 } } });
    hub.patch_module_twin(DEVICE, MODULE, &desired).unwrap();
    let acknowledged = wait_for_module(&hub, |reported| reported["telemetryInterval"]["av"] == 2);
    assert_eq!(
        acknowledged["telemetryInterval"],
        json!({ "value": 1, "ac": 200, "av": 2 })
    );
    // The device's own twin is another one.
    assert_eq!(reported(&hub, DEVICE)["telemetryInterval"]["value"], 0);
    let (enough, events) = hub.wait_for_events(PATIENCE, |events| events.len() >= 2);
    assert!(enough, "{events:?}");
    for event in &events {
        assert_eq!(event.origin.module_id.as_deref(), Some(MODULE), "{event:?}");
    }

    let status = hub
        .invoke_module_method(DEVICE, MODULE, "getStatus", &Value::Null, PATIENCE)
        .unwrap();
    assert_eq!(
        (status.status, &status.payload["telemetryInterval"]),
        (200, &json!(1))
    );
    module.stop();
    device.stop();
    let closes = hub.closes();
    assert!(
        closes
            .iter()
            .all(|close| close.reason == "the client sent DISCONNECT"),
        "{closes:?}"
    );
}

#[test]
fn a_module_with_a_certificate_of_its_own_joins_and_one_with_its_device_s_does_not() {
    let hub = hub();
    let of_device = hub.create_x509_device(DEVICE).unwrap();
    let of_module = hub.create_x509_module(DEVICE, MODULE).unwrap();
    assert!(of_module.connection_string.ends_with(";x509=true"));
    let module = start_with(&x509_access(&hub, &of_module), |_| (), App::default());
    wait_for_module(&hub, |reported| reported["connections"] == 1);
    let (enough, events) = hub.wait_for_events(PATIENCE, |events| !events.is_empty());
    assert!(enough, "{:?}", hub.closes());
    assert_eq!(events[0].origin.module_id.as_deref(), Some(MODULE));
    let status = hub
        .invoke_module_method(DEVICE, MODULE, "getStatus", &Value::Null, PATIENCE)
        .unwrap();
    assert_eq!(status.status, 200);
    module.stop();

    for (connection_string, other) in [
        (&of_module.connection_string, &of_device),
        (&of_device.connection_string, &of_module),
    ] {
        let stranger = DeviceCertificate {
            connection_string: connection_string.clone(),
            ..other.clone()
        };
        let program = Program::device(&x509_access(&hub, &stranger), &[]);
        program.wait_for("CONNACK 5: not authorized");
    }
}

#[test]
fn a_module_survives_that_its_hub_goes_away_and_loses_nothing() {
    let hub = hub();
    hub.create_sas_device(DEVICE).unwrap();
    let module = create_module(&hub);
    let module = start_with(&access(&hub, &module), |_| (), App::default());
    wait_for_module(&hub, |reported| reported["connections"] == 1);
    hub.inject_module(DEVICE, MODULE, local_hub::Fault::DropConnection)
        .unwrap();
    wait_for_module(&hub, |reported| reported["connections"] == 2);
    let report = module.stop();
    let counts: Vec<_> = hub.events().iter().map(crate::support::count).collect();
    crate::support::assert_complete_and_in_order(&counts, 1, report.dropped.total());
}

#[test]
fn the_program_names_a_module_by_its_device_and_itself() {
    let hub = hub();
    hub.create_sas_device(DEVICE).unwrap();
    let module = create_module(&hub);
    let program = Program::device(&access(&hub, &module), &[]);
    program.wait_for("joined localhost as device/gps");
}

#[test]
fn a_module_is_not_provisioned_and_the_program_says_what_to_do() {
    let arguments = [
        "device",
        "--id-scope",
        "0ne00ABCDEF",
        "--registration-id",
        "device/gps",
    ];
    let program = Program::start(&arguments);
    program.wait_for("DPS provisions devices only");
}
