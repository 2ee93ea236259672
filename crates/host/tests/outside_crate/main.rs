//! A crate outside this repository builds an application over the library, and joins the hub.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use local_hub::{Ack, Config, Event, Hub, Message, Outcome};
use serde_json::{Value, json};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The root of this repository.
fn repository() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// Writes the product's crate into an empty folder.
fn write_crate(folder: &Path) {
    let root = repository();
    let manifest = format!(
        r#"[package]
name = "outside-gate"
edition = "2024"

[dependencies]
azure-device.path = {root:?}
azure-device-host.path = {host:?}

# As in this repository, so that what is compiled already is taken.
[profile.dev.package."*"]
opt-level = 2
"#,
        host = root.join("crates/host")
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("src/main.rs"), include_str!("product/main.rs")).unwrap();
}

/// Builds the crate in `folder` without a network. Gives the program.
///
/// The target folder is this repository's: cargo names the product's files by the crate's name and not by its folder, so
/// that a second run compiles next to nothing and leaves nothing more behind.
fn build(folder: &Path) -> PathBuf {
    // What cargo tells this test of its own package would have build scripts run again, in this build and in the next.
    let of_this_package = |name: &str| {
        let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let inherited = std::env::vars().filter(|(name, _)| !of_this_package(name));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(folder)
        .env_clear()
        .envs(inherited)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("warning"), "{errors}");
    let messages = str::from_utf8(&output.stdout).unwrap().lines();
    let mut messages = messages.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let program = messages.find_map(|message| Some(message["executable"].as_str()?.into()));
    program.unwrap()
}

/// The running product. It is killed if the test fails.
struct Product {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Product {
    fn start(program: &Path, hub: &Hub, connection_string: &str, ca: &Path) -> Self {
        let endpoint = hub.endpoint();
        let mut child = Command::new(program)
            .arg(connection_string)
            .arg(ca)
            .args([endpoint.ip().to_string(), endpoint.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that it prints. It ends with its standard input, so that this ends too.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        assert!(
            self.lines.any(|line| line.unwrap().contains(text)),
            "`{text}` was not printed"
        );
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for an event of which `wanted` says true.
#[track_caller]
fn wait_for_event(hub: &Hub, wanted: impl Fn(&Event, &Value) -> bool) -> Event {
    let is_wanted = |event: &Event| wanted(event, &serde_json::from_slice(&event.body).unwrap());
    let (found, events) = hub.wait_for_events(PATIENCE, |events| events.iter().any(is_wanted));
    assert!(found, "{events:?}");
    events.into_iter().find(is_wanted).unwrap()
}

/// Waits until a reported property is this.
#[track_caller]
fn wait_for_reported(hub: &Hub, name: &str, wanted: &Value) {
    let start = std::time::Instant::now();
    loop {
        let twin = hub.twin("gate").unwrap();
        let reported = &twin["properties"]["reported"][name];
        if reported == wanted {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{reported}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_application_in_a_crate_of_its_own_joins_the_hub_and_serves_its_operator() {
    let folder = tempfile::tempdir().unwrap();
    write_crate(folder.path());
    let program = build(folder.path());

    let hub = Hub::start(Config::temporary()).unwrap();
    let connection_string = hub.create_sas_device("gate").unwrap();
    let desired = json!({ "properties": { "desired": { "places": 42 } } });
    hub.patch_twin("gate", &desired).unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, hub.ca_pem()).unwrap();
    let mut product = Product::start(&program, &hub, &connection_string, &ca);

    // A message of another thread, and its confirmation.
    product.wait_for("the car was delivered");
    let car = wait_for_event(&hub, |_, body| body["plate"] == "B-XY 1");
    assert_eq!(car.properties["lane"].as_deref(), Some("2"));
    assert_eq!(car.system["content_type"], "application/json");

    // A writable property.
    let in_force = json!({ "value": 42, "ac": 200, "av": 2 });
    wait_for_reported(&hub, "places", &in_force);

    // A method, its result, the message and the report that it causes.
    let answer = hub.invoke_method("gate", "open", &Value::Null, PATIENCE);
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.payload), (200, json!(42)));
    let opened = wait_for_event(&hub, |_, body| body["isOpen"] == true);
    assert_eq!(opened.properties["alert"].as_deref(), Some("true"));
    wait_for_reported(&hub, "isOpen", &json!(true));

    // A message of the operator.
    let announcement = Message {
        message_id: Some("full".into()),
        ack: Some(Ack::Full),
        ..Message::new("full")
    };
    hub.send_c2d("gate", announcement).unwrap();
    wait_for_event(&hub, |_, body| body["announced"] == "full");

    drop(product.child.stdin.take());
    product.wait_for("stopped after 1 connections");
    assert!(product.child.wait().unwrap().success());
    let feedback = hub.take_feedback().unwrap();
    assert_eq!(feedback.len(), 1);
    assert_eq!(feedback[0].status_code, Outcome::Success);
}
