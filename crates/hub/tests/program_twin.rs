//! `local-hub device-twin`, `invoke-device-method` and `fault`, while another process serves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::thread;

use common::module::Module;
use common::program::{Serve, fail, succeed};
use common::*;
use serde_json::{Value, json};

#[test]
fn a_twin_is_shown_updated_and_replaced_a_method_called_and_a_fault_injected() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let twin = |arguments: &[&str]| -> Value {
        let text = succeed(state, &[&["device-twin"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(twin(&["show", "d"])["version"], 1);
    let desired = r#"{"telemetryInterval": 10, "old": 1}"#;
    let updated = twin(&["update", "d", "--desired", desired, "--tags", r#"{"a": 1}"#]);
    assert_eq!(updated["properties"]["desired"]["telemetryInterval"], 10);
    assert_eq!(updated["tags"], json!({"a": 1}));
    let file = state.join("twin.json");
    std::fs::write(&file, r#"{"properties": {"desired": {"x": [1]}}}"#).unwrap();
    let replaced = twin(&["replace", "d", "--json", file.to_str().unwrap()]);
    assert_eq!(replaced["properties"]["desired"]["x"], json!([1]));
    assert_eq!(replaced["tags"], json!({}));
    assert!(fail(state, &["device-twin", "show", "e"]).contains("there is no device \"e\""));

    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    let invoke = ["invoke-device-method", "d", "--method-name", "blink"];
    assert!(fail(state, &invoke).contains("has not subscribed to direct methods"));
    client.send(&subscribe(1, &[("$iothub/methods/POST/#", 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    let answer = thread::scope(|scope| {
        let invoke = [&invoke[..], &["--method-payload", r#"{"times":3}"#]].concat();
        let call = scope.spawn(move || succeed(state, &invoke));
        let request = client.publish();
        assert_eq!(request.payload, br#"{"times":3}"#);
        let rid = request.topic.split_once("$rid=").unwrap().1;
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        client.send(&publish(&topic, None, b"true"));
        call.join().unwrap()
    });
    assert_eq!(answer, r#"{"status":200,"payload":true}"#);

    succeed(state, &["fault", "drop-connection", "d"]);
    client.expect_close();
    succeed(state, &["fault", "refuse-connect", "d", "--code", "3"]);
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&[0x20, 2, 0, 3]);
    succeed(state, &["fault", "clear", "d"]);
    let refusal = fail(state, &["fault", "refuse-connect", "d", "--code", "4"]);
    assert!(refusal.contains("code is 3"), "{refusal}");
}

#[test]
fn every_fault_has_a_command_for_devices_and_for_modules() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let open = || {
        let mut client = serve.open(state);
        client.send(&device.connect(Options::default()));
        let connack = client.receive(4);
        assert_eq!(connack[3], 0, "{connack:?}");
        client
    };
    for arguments in [
        &["refuse-connect", "d", "--code", "5", "--times", "2"][..],
        &["delay-puback", "d", "--milliseconds", "5"],
        &["suppress-puback", "d"],
        &["fail-twin", "d", "--status", "429"],
        &["duplicate-c2d", "d", "--times", "2"],
        &["clear", "d"],
        &["fail-registration", "r", "--status", "401", "--times", "3"],
        &["clear-registration", "r"],
    ] {
        succeed(state, &[&["fault"], arguments].concat());
    }
    for verb in ["take-over", "drop-connection", "expire-token"] {
        let mut client = open();
        succeed(state, &["fault", verb, "d"]);
        client.expect_close();
        succeed(state, &["fault", "clear", "d"]);
    }
    let mut client = open();
    succeed(state, &["fault", "half-open", "d"]);
    client.send(&PINGREQ);
    client.expect_silence(std::time::Duration::from_millis(300));

    let of_module = ["fault", "drop-connection", "d", "--module", "m"];
    assert!(fail(state, &of_module).contains("there is no module \"d/m\""));
    let text = succeed(state, &["module-identity", "create", "d", "m"]);
    assert!(text.starts_with("HostName=localhost;DeviceId=d;ModuleId=m;SharedAccessKey="));
    let again = ["module-identity", "connection-string", "d", "m"];
    assert_eq!(succeed(state, &again), text);
    assert_eq!(succeed(state, &["module-identity", "list", "d"]), "m");
    let module = Module {
        device_id: "d".into(),
        id: "m".into(),
        key: Device::from_connection_string(&text).key,
    };
    let mut client = serve.open(state);
    client.send(&module.connect_packet());
    client.expect(&CONNACK_NEW);
    succeed(state, &of_module);
    client.expect_close();
    succeed(state, &["module-identity", "delete", "d", "m"]);
    assert_eq!(succeed(state, &["module-identity", "list", "d"]), "");
    let refusal = fail(
        state,
        &["fault", "fail-registration", "r", "--status", "404"],
    );
    assert!(refusal.contains("status is 401, 429"), "{refusal}");
}
