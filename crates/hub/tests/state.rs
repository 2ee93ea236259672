//! The state directory against disks, users and other programs: nothing that was acknowledged is lost, and nothing
//! that the hub did not make is touched.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::program::{Serve, fail, local_hub, succeed};
use common::*;

const SERVE: [&str; 6] = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--chain",
    "ecc",
    "--log=warn",
];

/// A hub that is killed when this is dropped.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hub whose log is kept, started through a shell that runs `before` first.
fn serve_after(state: &Path, before: &str, log: &Path) -> Killed {
    let mut arguments = vec![env!("CARGO_BIN_EXE_local-hub")];
    arguments.extend(SERVE);
    arguments.extend(["--state", state.to_str().unwrap()]);
    let mut hub = Killed(
        Command::new("sh")
            .args(["-c", &format!("{before}; exec \"$@\""), "sh"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap(),
    );
    let lines = std::io::BufRead::lines(std::io::BufReader::new(hub.0.stdout.take().unwrap()));
    let ready = lines.map(Result::unwrap).any(|line| line == "ready");
    assert!(ready, "{}", fs::read_to_string(log).unwrap());
    hub
}

/// Complaint of a hub that does not start.
fn refused(state: &Path) -> String {
    let error = fail(state, &SERVE);
    assert!(error.contains("Nothing was changed."), "{error}");
    error
}

fn modes(state: &Path) -> Vec<(String, u32)> {
    let mut all: Vec<_> = fs::read_dir(state)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().mode() & 0o7777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn every_file_of_the_state_is_for_its_user_only_but_the_certificate_that_devices_trust() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let log = directory.path().join("log");
    let hub = serve_after(&state, "umask 000", &log);
    succeed(
        &state,
        &[
            "device",
            "create",
            "d",
            "--auth",
            "x509-ca",
            "--out",
            directory.path().to_str().unwrap(),
        ],
    );
    drop(hub);
    let wanted = |name: &str| if name == "ca.pem" { 0o644 } else { 0o600 };
    let found = modes(&state);
    assert!(found.len() >= 6, "{found:?}");
    for (name, mode) in &found {
        assert_eq!(*mode, wanted(name), "{name} {mode:o}");
    }
    // And so it is again, with a word, after others were let in.
    for (name, _) in &found {
        fs::set_permissions(state.join(name), Permissions::from_mode(0o666)).unwrap();
    }
    drop(serve_after(&state, "umask 000", &log));
    // Those that a start reads or writes.
    for (name, mode) in modes(&state) {
        if !["ca.pem", "device-ca.pem", ".gitignore"].contains(&name.as_str()) {
            assert_eq!(mode, 0o600, "{name} {mode:o}");
        }
    }
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("hub.journal had mode 666"), "{told}");
}

#[test]
fn a_kill_leaves_the_beginning_of_one_record_and_the_next_start_says_that_it_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let log = directory.path().join("log");
    let serve = Serve::start(&state, &[]);
    succeed(&state, &["device", "create", "d", "--auth", "sas"]);
    serve.kill();
    for (name, partial) in [
        (
            "hub.journal",
            &b"0123456789abcdef [[\"twin/d\",{\"generationId"[..],
        ),
        (
            "events.journal",
            b"0123456789abcdef {\"sequence_number\":0,",
        ),
    ] {
        let path = state.join(name);
        let whole = fs::read(&path).unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(partial)
            .unwrap();
        let hub = serve_after(&state, "true", &log);
        let told = fs::read_to_string(&log).unwrap();
        let cut = format!(
            "{}: {} bytes at byte {}",
            path.display(),
            partial.len(),
            whole.len()
        );
        assert!(
            told.contains(&format!("cut a partial last record off {cut}")),
            "{told}"
        );
        assert_eq!(
            told.contains("about \"twin/d\""),
            name == "hub.journal",
            "{told}"
        );
        assert!(succeed(&state, &["device", "list"]).starts_with('d'));
        drop(hub);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn damaged_foreign_and_linked_files_stop_the_start_and_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let serve = Serve::start(&state, &[]);
    succeed(&state, &["device", "create", "d", "--auth", "sas"]);
    serve.kill();
    let outside = directory.path().join("outside");
    let names = [
        ("hub.journal", true),
        ("events.journal", true),
        ("server-ecc.pem", false),
        ("ca.pem", false),
        ("endpoints.json", false),
        ("service.connection-string", false),
    ];
    for (name, is_journal) in names {
        let path = state.join(name);
        let whole = fs::read(&path).unwrap();
        let mut contents = vec![Vec::new(), vec![0; whole.len()], b"a diary\n".to_vec()];
        if is_journal {
            contents.push([whole.as_slice(), b"a diary\n"].concat());
            contents.push([whole.as_slice(), &[0; 64]].concat());
        }
        for bytes in contents {
            fs::write(&path, &bytes).unwrap();
            let error = refused(&state);
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.to_lowercase().contains("move it away"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        }
        fs::remove_file(&path).unwrap();
        fs::write(&outside, &whole).unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o600)).unwrap();
        symlink(&outside, &path).unwrap();
        let error = refused(&state);
        assert!(error.contains("symbolic link"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&outside, &path).unwrap();
        let error = refused(&state);
        assert!(error.contains("hard link"), "{error}");
        assert_eq!(fs::read(&outside).unwrap(), whole, "{name}");
        fs::remove_file(&outside).unwrap();
    }
    // With every file as it was, it starts.
    let _serve = Serve::start(&state, &[]);
    assert!(succeed(&state, &["device", "list"]).starts_with('d'));
}

#[test]
fn a_second_hub_on_the_same_directory_is_refused_and_the_first_one_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let _serve = Serve::start(state, &[]);
    let journal = fs::read(state.join("hub.journal")).unwrap();
    let error = fail(state, &SERVE);
    assert!(error.contains("another hub serves"), "{error}");
    assert_eq!(fs::read(state.join("hub.journal")).unwrap(), journal);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
}

#[test]
fn a_disk_that_is_full_refuses_changes_and_loses_none_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let log = directory.path().join("log");
    // No file may grow beyond 16 blocks of 512 bytes: a write that crosses that is done in part.
    let hub = serve_after(&state, "trap '' XFSZ; ulimit -f 16", &log);
    let create = |id: &str| local_hub(&state, &["device", "create", id, "--auth", "sas"]);
    let (mut created, mut refused) = (Vec::new(), 0);
    for number in 0..100 {
        let id = format!("device-{number}");
        let output = create(&id);
        if output.status.success() {
            created.push(id);
            continue;
        }
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("the hub cannot keep its state"), "{error}");
        refused += 1;
        if refused == 3 {
            break;
        }
    }
    assert!(
        created.len() > 3 && refused == 3,
        "{} {refused}",
        created.len()
    );
    // Telemetry is not acknowledged if it cannot be kept.
    let device = Device::from_connection_string(&succeed(
        &state,
        &["device", "connection-string", &created[0]],
    ));
    let endpoints: serde_json::Value =
        serde_json::from_slice(&fs::read(state.join("endpoints.json")).unwrap()).unwrap();
    let ca = fs::read_to_string(state.join("ca.pem")).unwrap();
    let address = endpoints["mqtt"].as_str().unwrap().parse().unwrap();
    let mut acknowledged = 0_u16;
    let clean = || Options {
        clean: true,
        ..Options::default()
    };
    let mut client = Client::open_with(address, client_config(&ca, None));
    client.send(&device.connect(clean()));
    client.expect(&CONNACK_NEW);
    for id in 1..200_u16 {
        client.try_send(&publish(&device.events_topic(), Some(id), &[b'x'; 300]));
        if client.try_receive(4).is_none() {
            break;
        }
        acknowledged = id;
    }
    assert!((3..199).contains(&acknowledged), "{acknowledged}");
    // What is full is not damaged.
    for name in ["hub.journal", "events.journal"] {
        let bytes = fs::read(state.join(name)).unwrap();
        assert!(bytes.len() <= 8192 && bytes.ends_with(b"\n"), "{name}");
    }
    drop(hub);

    let _hub = Serve::start(&state, &[]);
    let list = succeed(&state, &["device", "list"]);
    let listed: Vec<&str> = list
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    created.sort();
    assert_eq!(listed, created);
    let count = acknowledged.to_string();
    succeed(
        &state,
        &["monitor-events", "--from-start", "--count", &count],
    );
    assert!(create("after").status.success());
}

#[test]
fn a_directory_that_may_not_be_written_is_named_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    // Root may write everywhere: another user's program then.
    let program = directory.path().join("local-hub");
    fs::copy(env!("CARGO_BIN_EXE_local-hub"), &program).unwrap();
    for path in [directory.path(), &program] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&state, Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(&program);
    command.args(SERVE).arg("--state").arg(&state);
    if fs::metadata(directory.path()).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        error.contains("cannot use") && error.contains("Permission denied"),
        "{error}"
    );
    assert!(
        error.contains("choose a directory that this user may write"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn kills_while_the_journal_is_rewritten_again_and_again_lose_nothing_that_was_acknowledged() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let mut serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let large = format!("\"{}\"", "x".repeat(4000));
    let mut version = 1;
    let mut rewritten = 0;
    for round in 0..5_u64 {
        let mut client = serve.open(state);
        client.send(&device.connect(Options::default()));
        assert_eq!(client.receive(4)[3], 0);
        client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
        client.expect(&[0x90, 3, 0, 1, 0]);
        let until = Instant::now() + Duration::from_millis(900 + 130 * round);
        let mut length = 0;
        let child = std::thread::spawn(move || {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            serve.kill();
        });
        for number in 0.. {
            // Seven values of 4 KB make a record of 28 KB.
            let patch = format!("{{\"k{}\":{large},\"n\":{number}}}", number % 7);
            let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
            client.try_send(&publish(topic, None, patch.as_bytes()));
            let Some(head) = client.try_receive(2) else {
                break;
            };
            let Some(body) = client.try_receive(usize::from(head[1])) else {
                break;
            };
            let topic = String::from_utf8_lossy(&body[2..]).into_owned();
            let (_, told) = topic.split_once("$version=").unwrap();
            version = told.parse().unwrap();
            let now = fs::metadata(state.join("hub.journal")).unwrap().len();
            rewritten += u32::from(now < length);
            length = now;
        }
        child.join().unwrap();
        serve = Serve::start(state, &[]);
        let twin: serde_json::Value =
            serde_json::from_str(&succeed(state, &["device-twin", "show", "d"])).unwrap();
        let kept = twin["properties"]["reported"]["$version"].as_u64().unwrap();
        // One more may have been kept whose answer did not get out.
        assert!(kept == version || kept == version + 1, "{kept} {version}");
        version = kept;
    }
    assert!(rewritten >= 5, "{rewritten}");
}
