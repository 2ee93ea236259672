//! The hub and the device as processes, which can be killed and stopped, and what they take of the machine.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Time in which a process must be ready, and an operator's command be done.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// This program, with the given arguments.
fn this_program() -> Result<Command, String> {
    std::env::current_exe()
        .map(Command::new)
        .map_err(|error| format!("cannot find this program: {error}"))
}

/// Sends a signal by its name; only to processes that this program has started.
fn signal(child: &Child, name: &str) -> Result<(), String> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    match sent {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("cannot send SIG{name}: {other:?}")),
    }
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let log = std::fs::File::options().create(true).append(true).open(log);
        let log = log.map_err(|error| format!("cannot write a log: {error}"))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start a process: {error}"))?;
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take();
        thread::spawn(move || {
            let lines = output
                .map(BufReader::new)
                .into_iter()
                .flat_map(BufRead::lines);
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// The next line that it prints; `None` if none comes in time or it has ended.
    pub(crate) fn line(&self, until: Instant) -> Option<String> {
        let left = until.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).ok()
    }

    /// Stops all of its threads, as a debugger or a suspended machine does.
    pub(crate) fn pause(&self) -> Result<(), String> {
        signal(&self.child, "STOP")
    }

    /// Continues the process.
    pub(crate) fn resume(&self) -> Result<(), String> {
        signal(&self.child, "CONT")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        // It fails for a process that has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its resident memory, in KB (proc_pid_status(5)).
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Takes its standard input: closing that asks the device to end.
    pub(crate) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A hub's state directory and how it is served.
#[derive(Debug)]
pub(crate) struct HubPlace {
    pub(crate) state: PathBuf,
    pub(crate) log: PathBuf,
    /// The UDP port of its SNTP server, the same in each of its lives.
    pub(crate) sntp: SocketAddr,
}

impl HubPlace {
    /// Serves it, with more arguments; gives the process and where MQTT is.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Result<(Process, SocketAddr), String> {
        let mut command = this_program()?;
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info"]);
        command.arg("--sntp").arg(self.sntp.to_string());
        command.arg("--state").arg(&self.state).args(arguments);
        let process = Process::start(command, &self.log)?;
        let until = Instant::now() + PATIENCE;
        let mut mqtt = None;
        while let Some(line) = process.line(until) {
            if let Some(rest) = line.strip_prefix("mqtt") {
                let address = rest.split_whitespace().next();
                mqtt = address.and_then(|address| address.parse().ok());
            }
            if line == "ready" {
                let mqtt = mqtt.ok_or("the hub did not say where it listens")?;
                return Ok((process, mqtt));
            }
        }
        Err(format!("the hub did not start; see {}", self.log.display()))
    }

    /// Runs an operator's command of `local-hub`, and gives what it prints.
    pub(crate) fn operate(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = this_program()?;
        command.args(arguments).arg("--state").arg(&self.state);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start an operator's command: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{}: {why}", arguments.join(" ")))
    }
}

/// Starts the device of this program (see the module `device`).
pub(crate) fn start_device(
    arguments: &super::device::Arguments,
    log: &Path,
) -> Result<Process, String> {
    let mut command = this_program()?;
    command.arg("device").args(arguments.to_words());
    // A connection string is not for the list of processes.
    command.env(
        super::device::CONNECTION_STRING,
        &arguments.connection_string,
    );
    Process::start(command, log)
}

/// Asks the device to end.
pub(crate) fn ask_to_end(input: Option<ChildStdin>) {
    if let Some(mut input) = input {
        let _ = input.write_all(b"end\n");
    }
}
