//! The `local-hub` program as a child process.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use local_hub::DeviceCertificate;

use super::{Client, client_config};

/// A hub that is killed, if it still runs, when this is dropped.
pub struct Serve {
    pub child: Child,
    pub mqtt: SocketAddr,
    pub operator: SocketAddr,
    pub sntp: Option<SocketAddr>,
    /// Address of the page, with its token.
    pub page: Option<String>,
}

impl Serve {
    /// Starts `local-hub serve` and waits for `ready`. With an ECC chain, whose keys are made at once.
    pub fn start(state: &Path, arguments: &[&str]) -> Self {
        Self::start_with(state, &[&["--chain", "ecc"], arguments].concat())
    }

    /// The same, with these arguments only.
    pub fn start_with(state: &Path, arguments: &[&str]) -> Self {
        Self::spawn(serve(state, "warn").args(arguments))
    }

    /// The same as `start`, with a log of this level that goes to `log`.
    pub fn start_logged(state: &Path, level: &str, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        Self::spawn(serve(state, level).args(["--chain", "ecc"]).stderr(file))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .take_while(|line| line != "ready")
            .collect();
        let address = |name: &str| {
            let line = lines.iter().find_map(|line| line.strip_prefix(name))?;
            let word = line.split_whitespace().next()?;
            word.trim_start_matches("https://").parse().ok()
        };
        Self {
            mqtt: address("mqtt").unwrap(),
            operator: address("operator").unwrap(),
            sntp: address("sntp"),
            page: lines
                .iter()
                .find_map(|line| Some(line.strip_prefix("page")?.trim().to_owned())),
            child,
        }
    }

    /// A connection within TLS, without a CONNECT.
    pub fn open(&self, state: &Path) -> Client {
        self.open_with(state, None)
    }

    /// The same, of a client that has a certificate or not.
    pub fn open_with(&self, state: &Path, certificate: Option<&DeviceCertificate>) -> Client {
        let ca = std::fs::read_to_string(state.join("ca.pem")).unwrap();
        Client::open_with(self.mqtt, client_config(&ca, certificate))
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that starts a hub on a port of its own.
pub fn serve(state: &Path, level: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-hub"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", level]);
    command.arg("--state").arg(state);
    command
}

/// Starts a command that runs beside the test, with its output to be read.
pub fn start(state: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(arguments)
        .env("LOCAL_HUB_STATE", state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs another command of the program to its end.
pub fn local_hub(state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(arguments)
        .arg("--state")
        .arg(state)
        .output()
        .unwrap()
}

/// The same; it must succeed, and gives what it printed.
pub fn succeed(state: &Path, arguments: &[&str]) -> String {
    let output = local_hub(state, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// The same; what it prints is JSON.
pub fn value(state: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(state, arguments)).unwrap()
}

/// The same; it must fail, and gives its complaint.
pub fn fail(state: &Path, arguments: &[&str]) -> String {
    let output = local_hub(state, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: "), "{error}");
    error
}
