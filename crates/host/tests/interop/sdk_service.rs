//! Microsoft's service SDK for Python (`azure-iot-hub`) against the local hub's REST interface, with a device
//! of its device SDK at the other end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::Trial;
use local_hub::Hub;
use serde_json::{Value, json};

use crate::peers::{SERVICE_SDK, trials, workspace};
use crate::program::{PATIENCE, Program};
use crate::sdk::World;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iot-hub",
        SERVICE_SDK,
        the_registry_is_read_and_changed,
        twins_are_read_changed_by_etag_and_replaced,
        twins_are_queried_in_pages,
        a_direct_method_reaches_a_device_or_fails,
        a_module_of_this_project_is_operated_by_the_service_sdk,
    )
}

/// The operator's program. It is ended when this is dropped.
struct Operator {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Operator {
    fn start(python: &Path, hub: &Hub) -> Self {
        let mut child = Command::new(python)
            .arg(workspace().join("tests/interop/sdk_service.py"))
            .env("REQUESTS_CA_BUNDLE", hub.state_directory().join("ca.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut operator = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        let connection_string = hub.service_connection_string("iothubowner").unwrap();
        operator.enter(&json!({ "connection_string": connection_string }));
        operator
    }

    fn enter(&mut self, line: &Value) {
        writeln!(self.input, "{line}").unwrap();
    }

    #[track_caller]
    fn attempt(&mut self, what: &str, arguments: Value) -> Value {
        self.enter(&json!({ "do": what, "arguments": arguments }));
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    #[track_caller]
    fn run(&mut self, what: &str, arguments: Value) -> Value {
        let answer = self.attempt(what, arguments);
        assert!(answer.get("status").is_none(), "{what}: {answer}");
        answer["result"].clone()
    }

    /// The HTTP status that a call fails with.
    #[track_caller]
    fn refused(&mut self, what: &str, arguments: Value) -> Value {
        self.attempt(what, arguments)["status"].clone()
    }
}

fn the_registry_is_read_and_changed(python: &Path) {
    let world = World::new();
    let mut operator = Operator::start(python, &world.hub);
    let create = json!(["device", "", "", "enabled"]);
    let device = operator.run("create_device_with_sas", create.clone());
    assert_eq!(
        (&device["device_id"], &device["status"]),
        (&json!("device"), &json!("enabled"))
    );
    assert_eq!(operator.refused("create_device_with_sas", create), 409);
    assert_eq!(
        operator.run("get_devices", json!([]))[0]["device_id"],
        "device"
    );
    let statistics = operator.run("get_device_registry_statistics", json!([]));
    assert_eq!(statistics["total_device_count"], 1);
    operator.run(
        "create_module_with_sas",
        json!(["device", "module", "", "", ""]),
    );
    assert_eq!(
        operator.run("get_modules", json!(["device"]))[0]["module_id"],
        "module"
    );
    let disable = json!(["device", device["etag"], "", "", "disabled", false, "lost"]);
    let disabled = operator.run("update_device_with_sas", disable.clone());
    assert_eq!(
        (&disabled["status"], &disabled["status_reason"]),
        (&json!("disabled"), &json!("lost"))
    );
    assert_eq!(operator.refused("update_device_with_sas", disable), 412);
    let edge = json!(["edge", "", "", "enabled", true]);
    assert_eq!(operator.refused("create_device_with_sas", edge), 400);
    operator.run("delete_device", json!(["device"]));
    assert_eq!(operator.refused("get_device", json!(["device"])), 404);
}

fn twins_are_read_changed_by_etag_and_replaced(python: &Path) {
    let world = World::new();
    world.hub.create_sas_device("device").unwrap();
    let mut operator = Operator::start(python, &world.hub);
    let twin = operator.run("get_twin", json!(["device"]));
    assert_eq!(twin["properties"]["desired"]["$version"], 1);
    let patch =
        json!({ "twin": { "tags": { "a": "b" }, "properties": { "desired": { "x": 7 } } } });
    let changed = operator.run("update_twin", json!(["device", patch, twin["etag"]]));
    assert_eq!(changed["properties"]["desired"]["x"], 7);
    assert_eq!(changed["tags"], json!({ "a": "b" }));
    let again = json!(["device", patch, twin["etag"]]);
    assert_eq!(operator.refused("update_twin", again), 412);
    let other = json!({ "twin": { "tags": {}, "properties": { "desired": { "y": 8 } } } });
    let replaced = operator.run("replace_twin", json!(["device", other]));
    assert_eq!(replaced["properties"]["desired"]["y"], 8);
    assert!(replaced["properties"]["desired"].get("x").is_none());
    assert_eq!(operator.refused("get_twin", json!(["nobody"])), 404);
}

fn twins_are_queried_in_pages(python: &Path) {
    let world = World::new();
    for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
        world.hub.create_sas_device(id).unwrap();
        let floor = json!({ "tags": { "floor": number } });
        world.hub.patch_twin(id, &floor).unwrap();
    }
    let mut operator = Operator::start(python, &world.hub);
    let query = json!({ "query": "SELECT * FROM devices WHERE tags.floor >= 0" });
    let first = operator.run("query_iot_hub", json!([query, null, 2]));
    let token = &first["continuation_token"];
    let ids = |page: &Value| -> Vec<String> {
        let twins = page["items"].as_array().unwrap().iter();
        twins
            .map(|twin| twin["device_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (&first["type"], ids(&first)),
        (&json!("Twin"), vec!["a".into(), "b".into()])
    );
    assert_eq!(first["items"][1]["tags"], json!({ "floor": 1 }));
    let last = operator.run("query_iot_hub", json!([query, token, 2]));
    assert_eq!(
        (ids(&last), &last["continuation_token"]),
        (vec!["c".into()], &Value::Null)
    );
    let other = json!({ "query": "SELECT * FROM devices GROUP BY tags.floor" });
    assert_eq!(operator.refused("query_iot_hub", json!([other])), 400);
}

fn a_direct_method_reaches_a_device_or_fails(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    device.run("answer", json!({ "status": 207 }));
    let mut operator = Operator::start(python, &world.hub);
    let method = json!({ "method": { "method_name": "blink", "payload": { "times": 3 } } });
    let call = json!(["device", method]);
    let response = operator.run("invoke_device_method", call.clone());
    let payload = json!({ "name": "blink", "payload": { "times": 3 } });
    assert_eq!(
        (&response["status"], &response["payload"]),
        (&json!(207), &payload)
    );
    let without_payload = json!({ "method": { "method_name": "blink" } });
    let response = operator.run("invoke_device_method", json!(["device", without_payload]));
    // What the SDK sends for none.
    let payload = json!({ "name": "blink", "payload": "" });
    assert_eq!(response["payload"], payload);
    device.leave();
    assert!(
        world
            .hub
            .wait_connected("device", false, crate::program::PATIENCE)
    );
    assert_eq!(operator.refused("invoke_device_method", call), 404);
}

/// The other way round: the module is this project's, and the operator Microsoft's.
fn a_module_of_this_project_is_operated_by_the_service_sdk(python: &Path) {
    let world = World::new();
    world.hub.create_sas_device("device").unwrap();
    let mut operator = Operator::start(python, &world.hub);
    let module = operator.run(
        "create_module_with_sas",
        json!(["device", "module", "", "", ""]),
    );
    let key = module["authentication"]["symmetric_key"]["primary_key"].as_str();
    let connection_string = format!(
        "HostName=localhost;DeviceId=device;ModuleId=module;SharedAccessKey={}",
        key.unwrap()
    );
    let access = world.access(&connection_string);
    let program = Program::device(&access, &["--interval", "never"]);
    program.wait_for("joined localhost as device/module");

    let of_module = |more: &[Value]| {
        let mut arguments = vec![json!("device"), json!("module")];
        arguments.extend_from_slice(more);
        Value::Array(arguments)
    };
    let patch = json!({ "twin": { "properties": { "desired": { "telemetryInterval": 1 } } } });
    // The module's first report changes the etag.
    let start = std::time::Instant::now();
    let twin = loop {
        let twin = operator.run("get_module_twin", of_module(&[]));
        if !twin["properties"]["reported"]["telemetryInterval"].is_null() {
            break twin;
        }
        assert!(start.elapsed() < PATIENCE, "{twin}");
    };
    operator.run(
        "update_module_twin",
        of_module(&[patch, twin["etag"].clone()]),
    );
    let (enough, events) = world
        .hub
        .wait_for_events(PATIENCE, |events| events.len() >= 2);
    assert!(enough, "{events:?}");
    assert!(
        events
            .iter()
            .all(|event| event.origin.module_id.as_deref() == Some("module"))
    );
    let twin = operator.run("get_module_twin", of_module(&[]));
    assert_eq!(
        twin["properties"]["reported"]["telemetryInterval"],
        json!({ "value": 1, "ac": 200, "av": 2 })
    );
    let method = json!({ "method": { "method_name": "getStatus" } });
    let response = operator.run("invoke_device_module_method", of_module(&[method]));
    assert_eq!(response["status"], 200);
    assert_eq!(response["payload"]["telemetryInterval"], 1);
    drop(program);
    let method = json!({ "method": { "method_name": "getStatus" } });
    assert!(world.hub.wait_connected("device/module", false, PATIENCE));
    assert_eq!(
        operator.refused("invoke_device_module_method", of_module(&[method])),
        404
    );
}
