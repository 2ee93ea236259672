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

/// A terminal of 80 columns: the side of its screen, and the side of the program.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let mut program = File::options();
    let program = program
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let size = rustix::termios::Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&program, size).unwrap();
    (File::from(screen), program)
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_of_80_columns_the_demonstration_fits_and_each_line_has_the_time() {
    let (screen, program) = terminal();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azure-device"));
    let child = command
        .args(["--messages", "1", "--interval", "0.2"])
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(program.try_clone().unwrap())
        .stderr(program.try_clone().unwrap())
        .spawn()
        .unwrap();
    drop((command, program));
    // Reading fails once the program has gone.
    let lines = BufReader::new(screen).lines().map_while(Result::ok);
    let lines: Vec<_> = lines
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect();
    assert_eq!(exit_code(child), Some(0), "{}", lines.join("\n"));
    assert!(lines.len() > 20, "{}", lines.join("\n"));
    let mut alone = 0;
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
        let has_time = line.get(2..3) == Some(":") && line.get(8..9) == Some(".");
        if !has_time {
            alone += 1;
            assert!(line.starts_with("http://127.0.0.1:"), "{line}");
        }
    }
    assert_eq!(alone, 1, "{}", lines.join("\n"));
}
