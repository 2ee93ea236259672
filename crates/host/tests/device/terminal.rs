//! The person at the terminal, who may have gone.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use local_hub::Hub;
use tempfile::TempDir;

use crate::program::{PATIENCE, Program, signal};
use crate::support::{access, hub};

/// A device's program, with the files that it reads.
fn device(hub: &Hub) -> (Command, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let (ca, string) = (files.path().join("ca.pem"), files.path().join("string"));
    std::fs::write(&ca, hub.ca_pem()).unwrap();
    std::fs::write(&string, hub.create_sas_device("device").unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azure-device"));
    command
        .args(["device", "--endpoint", &hub.endpoint().to_string(), "--ca"])
        .arg(ca)
        .arg("--connection-string-file")
        .arg(string)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    (command, files)
}

/// Waits for the end, which a lost signal would never bring; the child is killed then.
#[track_caller]
fn exit_code(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{:?}: it did not end", child.wait());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_is_obeyed_when_nobody_reads_standard_error_or_standard_output_any_more() {
    for signal_name in ["-INT", "-TERM"] {
        let hub = hub();
        let (mut command, _files) = device(&hub);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("is connected")));
        drop(lines);
        drop(child.stderr.take());
        signal(&child, signal_name);
        assert_eq!(exit_code(child), Some(0), "{signal_name}");
        assert!(hub.wait_connected("device", false, PATIENCE));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_to_a_full_disk_is_no_success() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let program = || Command::new(env!("CARGO_BIN_EXE_azure-device"));
    for arguments in [&["--help"][..], &["device", "--help"], &["--version"]] {
        let status = program().args(arguments).stdout(full()).status();
        assert_eq!(status.unwrap().code(), Some(1), "{arguments:?}");
    }
    let output = program()
        .args(["--messages", "1", "--interval", "0.2"])
        .stdin(Stdio::null())
        .stdout(full())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let once = said.matches("standard output is incomplete").count();
    assert_eq!(once, 1, "{said}");
    assert!(
        said.contains("azure-device: cannot write to standard output"),
        "{said}"
    );

    // The device goes on, and tells it in the end.
    let hub = hub();
    let (mut command, _files) = device(&hub);
    let child = command.stdout(full()).stderr(Stdio::null()).spawn();
    let child = child.unwrap();
    assert!(hub.wait_connected("device", true, PATIENCE));
    signal(&child, "-TERM");
    assert_eq!(exit_code(child), Some(1));
}

#[test]
fn enter_makes_a_device_that_waits_before_its_next_attempt_try_at_once() {
    let hub = hub();
    let string = hub.create_sas_device("device").unwrap();
    hub.delete_device("device").unwrap();
    // A refused device waits for minutes, since somebody has to mend it.
    let mut program = Program::device(&access(&hub, &string), &[]);
    program.wait_for("[attempt 1, next in ");
    program.press_enter();
    program.wait_for("[attempt 2, next in ");
}
