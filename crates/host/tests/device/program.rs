//! The `azure-device` program as a process, and what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running program. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    output: Arc<Output>,
    readers: Vec<thread::JoinHandle<()>>,
    /// Files that it was started with.
    _files: Option<TempDir>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with_files(arguments, None, None)
    }

    /// As [`Program::start`], with the connection string in the environment.
    pub(crate) fn start_with_variable(connection_string: &str, arguments: &[&str]) -> Self {
        Self::start_with_files(arguments, None, Some(connection_string))
    }

    /// Starts the command `device` against `hub` with verified TLS, and more `arguments`.
    pub(crate) fn device(access: &Access<'_>, arguments: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path: PathBuf = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let verbosity = arguments
            .iter()
            .filter(|argument| argument.starts_with("-v"));
        let mut all: Vec<String> = verbosity.map(ToString::to_string).collect();
        all.extend(["device", "--connection-string-file"].map(String::from));
        all.push(file("connection-string", access.connection_string));
        all.extend(["--ca".into(), file("ca.pem", access.ca_pem)]);
        all.extend(["--endpoint".into(), access.endpoint.clone()]);
        if let Some((certificate, key)) = access.certificate {
            all.extend(["--certificate".into(), file("certificate.pem", certificate)]);
            all.extend(["--key".into(), file("key.pem", key)]);
        }
        let rest = arguments
            .iter()
            .filter(|argument| !argument.starts_with("-v"));
        all.extend(rest.map(ToString::to_string));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Self::start_with_files(&all, Some(files), None)
    }

    fn start_with_files(
        arguments: &[&str],
        files: Option<TempDir>,
        variable: Option<&str>,
    ) -> Self {
        const VARIABLE: &str = "AZURE_IOT_HUB_CONNECTION_STRING";
        let mut command = Command::new(env!("CARGO_BIN_EXE_azure-device"));
        command
            .args(arguments)
            .env_remove("RUST_LOG")
            .env_remove(VARIABLE)
            .envs(variable.map(|text| (VARIABLE, text)));
        Self::spawn(command, files)
    }

    /// Starts any program; `files` are removed when this is dropped.
    pub(crate) fn spawn(mut command: Command, files: Option<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let output = Arc::<Output>::default();
        let readers = vec![
            output.clone().collect(child.stdout.take().unwrap()),
            output.clone().collect(child.stderr.take().unwrap()),
        ];
        Self {
            child,
            output,
            readers,
            _files: files,
        }
    }

    /// Everything printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.output.lines.lock().unwrap().clone()
    }

    /// The first line that contains `text`, printed already or soon.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_for_times(text, 1).pop().unwrap()
    }

    /// The first `times` lines that contain `text`.
    #[track_caller]
    pub(crate) fn wait_for_times(&self, text: &str, times: usize) -> Vec<String> {
        let found = |lines: &Vec<String>| -> Vec<String> {
            lines
                .iter()
                .filter(|line| line.contains(text))
                .take(times)
                .cloned()
                .collect()
        };
        let lines = self.output.lines.lock().unwrap();
        let waiting = |lines: &mut Vec<String>| found(lines).len() < times;
        let (lines, timeout) = self
            .output
            .more
            .wait_timeout_while(lines, PATIENCE, waiting)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "`{text}` was not printed {times} times:\n{}",
            lines.join("\n")
        );
        found(&lines)
    }

    pub(crate) fn press_enter(&mut self) {
        self.enter("");
    }

    /// Types a line.
    pub(crate) fn enter(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        signal(&self.child, "-INT");
    }

    /// Sends SIGTERM, as a service manager does.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        signal(&self.child, "-TERM");
    }

    /// Waits for the end; gives how it ended and all that was printed.
    pub(crate) fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        for reader in std::mem::take(&mut self.readers) {
            reader.join().unwrap();
        }
        (status, self.lines())
    }

    /// Kills it, and waits until it is gone. No effect if it has ended.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn collect(self: Arc<Self>, source: impl Read + Send + 'static) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            for line in BufReader::new(source).lines() {
                self.lines.lock().unwrap().push(line.unwrap());
                self.more.notify_all();
            }
        })
    }
}

/// Sends a signal, such as `-TERM`.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(status.success());
}

/// Data that a device needs to join a hub.
#[derive(Clone)]
pub(crate) struct Access<'a> {
    pub(crate) connection_string: &'a str,
    pub(crate) ca_pem: &'a str,
    pub(crate) endpoint: String,
    pub(crate) certificate: Option<(&'a str, &'a str)>,
}
