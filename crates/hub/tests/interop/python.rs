//! Microsoft's device SDK for Python over WebSocket, and its storage SDK.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::Trial;
use local_hub::Hub;
use serde_json::{Value, json};

use crate::peers::{STORAGE_SDK, trials, workspace};
use crate::sdk::{PATIENCE, start_hub};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iot-device",
        STORAGE_SDK,
        a_device_over_websocket_sends_and_reads_its_twin,
        files_are_uploaded_in_one_piece_and_in_blocks,
    )
}

/// The device's program. It is ended when this is dropped.
struct Device {
    hub: Hub,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Device {
    fn start(python: &Path) -> Self {
        let hub = start_hub();
        let connection_string = hub.create_sas_device("d").unwrap();
        let mut child = Command::new(python)
            .arg(workspace().join("tests/interop/sdk_files.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut device = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            hub,
        };
        let who = json!({
            "connection_string": connection_string,
            "ca": device.hub.state_directory().join("ca.pem"),
            "routes": { "443": device.hub.operator_endpoint().port() },
        });
        writeln!(device.input, "{who}").unwrap();
        device
    }

    /// Has the device do something; it must succeed, and gives the result.
    #[track_caller]
    fn run(&mut self, mut command: Value, what: &str) -> Value {
        command["do"] = json!(what);
        writeln!(self.input, "{command}").unwrap();
        self.input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line:?}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["result"].clone()
    }
}

fn a_device_over_websocket_sends_and_reads_its_twin(python: &Path) {
    let mut device = Device::start(python);
    device.run(json!({}), "connect");
    assert!(device.hub.is_connected("d"));
    device.run(json!({ "body": "hi" }), "send");
    let (enough, events) = device
        .hub
        .wait_for_events(PATIENCE, |events| !events.is_empty());
    assert!(enough && events[0].body == b"hi");
    let desired = json!({ "properties": { "desired": { "interval": 5 } } });
    device.hub.patch_twin("d", &desired).unwrap();
    assert_eq!(device.run(json!({}), "twin")["desired"]["interval"], 5);
    device.run(json!({}), "disconnect");
    assert!(device.hub.wait_connected("d", false, PATIENCE));
}

fn files_are_uploaded_in_one_piece_and_in_blocks(python: &Path) {
    let mut device = Device::start(python);
    device.run(json!({}), "connect");
    for (name, size) in [("whole.bin", 1000), ("blocks.bin", 300_000)] {
        let command = json!({ "name": name, "size": size, "piece": 100_000 });
        let uploaded = device.run(command, "upload");
        assert_eq!(
            uploaded,
            json!({ "same": true, "second_refused": true }),
            "{name}"
        );
        let file = device.hub.uploaded_file(&format!("d/{name}")).unwrap();
        assert_eq!(std::fs::metadata(file).unwrap().len(), size);
    }
    device.run(json!({ "name": "lost.bin" }), "report_failure");
    assert!(device.hub.uploaded_file("d/lost.bin").is_err());
}
