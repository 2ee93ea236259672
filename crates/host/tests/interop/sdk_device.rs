//! A device made of Microsoft's SDK: `tests/interop/sdk_device.py`, told what to do.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::peers::workspace;
use crate::program::{Access, Program};

/// A running device. It is killed when this is dropped, without a goodbye.
pub(crate) struct SdkDevice {
    program: Program,
    commands: u32,
}

impl SdkDevice {
    /// Starts the device; it does not connect yet.
    pub(crate) fn start(python: &Path, access: &Access<'_>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut who = json!({
            "connection_string": access.connection_string,
            "ca": file("ca.pem", access.ca_pem),
        });
        if let Some((certificate, key)) = access.certificate {
            who["certificate"] = json!(file("certificate.pem", certificate));
            who["key"] = json!(file("key.pem", key));
        }
        let mut command = Command::new(python);
        command.arg(workspace().join("tests/interop/sdk_device.py"));
        let mut program = Program::spawn(command, Some(files));
        program.enter(&who.to_string());
        Self {
            program,
            commands: 0,
        }
    }

    /// Has the SDK do something, and gives the exceptions that this led to, if any.
    #[track_caller]
    pub(crate) fn attempt(&mut self, what: &str, mut arguments: Value) -> Vec<String> {
        self.commands += 1;
        arguments["id"] = json!(self.commands);
        arguments["do"] = json!(what);
        self.program.enter(&arguments.to_string());
        let reply = self
            .program
            .wait_for(&format!("\"reply\": {},", self.commands));
        let reply: Value = serde_json::from_str(&reply).unwrap();
        let causes = reply["causes"].as_array().unwrap().iter();
        causes
            .map(|cause| cause.as_str().unwrap().to_owned())
            .collect()
    }

    /// Has the SDK do something, successfully.
    #[track_caller]
    pub(crate) fn run(&mut self, what: &str, arguments: Value) {
        let causes = self.attempt(what, arguments);
        assert!(
            causes.is_empty(),
            "{what}: {causes:#?}\n{}",
            self.program.lines().join("\n")
        );
    }

    #[track_caller]
    pub(crate) fn connect(&mut self) {
        self.run("connect", json!({}));
    }

    /// Subscribes to cloud-to-device messages.
    #[track_caller]
    pub(crate) fn receive(&mut self) {
        self.run("receive", json!({}));
    }

    /// The first `count` cloud-to-device messages, received already or soon.
    #[track_caller]
    pub(crate) fn messages(&self, count: usize) -> Vec<Value> {
        self.events("message", count)
    }

    /// The first `count` calls of the SDK of this kind, made already or soon.
    #[track_caller]
    pub(crate) fn events(&self, kind: &str, count: usize) -> Vec<Value> {
        let text = format!("\"event\": \"{kind}\"");
        let lines = self.program.wait_for_times(&text, count);
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until the SDK has told `times` times that it is connected.
    #[track_caller]
    pub(crate) fn wait_connected(&self, times: usize) {
        self.program.wait_for_times("\"connected\": true", times);
    }

    /// Ends the device's input, upon which it says goodbye and ends without an error.
    #[track_caller]
    pub(crate) fn leave(self) {
        let (status, lines) = self.program.finish();
        assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    }
}
