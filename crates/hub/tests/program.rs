//! The commands of the `local-hub` program, each as its own process, while another one serves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::program::{Serve, fail, local_hub, succeed};
use common::*;
use local_hub::DeviceCertificate;

#[test]
fn a_state_directory_that_the_hub_makes_is_ignored_by_git_and_another_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("my-hub");
    drop(Serve::start_with(&made, &[]));
    let ignored = std::fs::read_to_string(made.join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "*"), "{ignored}");

    let repository = folder.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    std::fs::write(repository.join("main.c"), "int main(void);").unwrap();
    drop(Serve::start_with(&repository, &[]));
    assert!(!repository.join(".gitignore").exists());
}

#[test]
fn the_key_of_a_group_comes_from_a_file_or_the_environment_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-hub"));
        command.args(["dps", "compute-device-key", "--registration-id", "pump"]);
        command.env_remove("LOCAL_HUB_GROUP_KEY").args(arguments);
        command.envs(variable.map(|key| ("LOCAL_HUB_GROUP_KEY", key)));
        let output = command.output().unwrap();
        String::from_utf8(if output.status.success() {
            output.stdout
        } else {
            output.stderr
        })
        .unwrap()
    };
    let derived = run(&["--key", key], None);
    assert_eq!(derived.trim().len(), key.len(), "{derived}");
    assert_eq!(run(&["--key-file", file.to_str().unwrap()], None), derived);
    assert_eq!(run(&[], Some(key)), derived);
    assert!(run(&[], None).contains("--key-file"));
    let misplaced = run(&["--key-file", key], None);
    assert!(
        misplaced.contains("looks like a symmetric key") && !misplaced.contains(key),
        "{misplaced}"
    );
}

#[test]
fn a_device_is_created_sends_an_event_and_receives_a_message() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start_with(state, &[]);
    let text = succeed(state, &["device", "create", "MyDevice01", "--auth", "sas"]);
    assert!(
        text.starts_with("HostName=localhost;DeviceId=MyDevice01;SharedAccessKey="),
        "{text}"
    );
    assert_eq!(
        succeed(state, &["device", "connection-string", "MyDevice01"]),
        text
    );
    let device = Device::from_connection_string(&text);

    let mut monitor = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args([
            "monitor-events",
            "--device",
            "MyDevice01",
            "--count",
            "1",
            "--state",
        ])
        .arg(state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(monitor.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said, "waiting for events\n");

    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    client.send(&publish(
        "devices/MyDevice01/messages/events/$.ct=application%2Fjson&alert=a%20b",
        Some(1),
        br#"{"t":21.5}"#,
    ));
    client.expect(&[0x40, 2, 0, 1]);
    let printed = monitor.wait_with_output().unwrap();
    assert!(printed.status.success());
    let line = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(line.lines().count(), 1);
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"]["payload"]["t"], 21.5);
    assert_eq!(event["event"]["properties"]["application"]["alert"], "a b");

    client.subscribe_c2d(&device, 1);
    let send = [
        "send-c2d",
        "MyDevice01",
        "--data",
        "hi",
        "--property",
        "k=v",
        "--ack",
        "full",
        "--message-id",
        "m1",
    ];
    succeed(state, &send);
    let message = client.publish();
    assert_eq!(message.payload, b"hi");
    assert_eq!(
        message.topic,
        "devices/MyDevice01/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2FMyDevice01%2Fmessages%2FdeviceBound&iothub-ack=full&k=v"
    );
}

#[test]
fn devices_are_listed_disabled_enabled_and_deleted() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let fields = || -> Vec<String> {
        succeed(state, &["device", "list"])
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(fields(), ["d", "sas", "enabled", "Disconnected"]);
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    assert_eq!(fields(), ["d", "sas", "enabled", "Connected"]);
    succeed(state, &["device", "disable", "d"]);
    client.expect_close();
    assert_eq!(fields()[2], "disabled");
    succeed(state, &["device", "enable", "d"]);
    assert_eq!(fields()[2], "enabled");
    succeed(state, &["device", "delete", "d"]);
    assert!(fields().is_empty());
    assert!(fail(state, &["device", "delete", "d"]).contains("there is no device \"d\""));
    assert!(fail(state, &["send-c2d", "d", "--data", "x"]).contains("there is no device \"d\""));
}

#[test]
fn certificates_are_made_for_devices_and_prove_them() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let out = tempfile::tempdir().unwrap();
    for auth in ["x509-thumbprint", "x509-ca"] {
        let create = [
            "device",
            "create",
            auth,
            "--auth",
            auth,
            "--out",
            out.path().to_str().unwrap(),
        ];
        let text = succeed(state, &create);
        assert_eq!(
            text,
            format!("HostName=localhost;DeviceId={auth};x509=true")
        );
        let read = |kind: &str| {
            std::fs::read_to_string(out.path().join(format!("{auth}.{kind}.pem"))).unwrap()
        };
        let certificate = DeviceCertificate {
            connection_string: text,
            certificate_pem: read("cert"),
            key_pem: read("key"),
        };
        let mut client = serve.open_with(state, Some(&certificate));
        let user_name = format!("localhost/{auth}/?api-version=2021-04-12");
        client.send(&connect(auth, &user_name, None, Options::default()));
        client.expect(&CONNACK_NEW);
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(out.path().join("x509-ca.key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read a key");
}

#[test]
fn a_certificate_of_the_users_own_is_registered() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let made = hub().create_x509_device("any-name").unwrap();
    let file = state.join("own.pem");
    std::fs::write(&file, &made.certificate_pem).unwrap();
    let create = [
        "device",
        "create",
        "d",
        "--auth",
        "x509-thumbprint",
        "--certificate",
        file.to_str().unwrap(),
    ];
    succeed(state, &create);
    let mut client = serve.open_with(state, Some(&made));
    client.send(&connect(
        "d",
        "localhost/d/?api-version=2021-04-12",
        None,
        Options::default(),
    ));
    client.expect(&CONNACK_NEW);
    let as_ca = [
        "device",
        "create",
        "e",
        "--auth",
        "x509-ca",
        "--certificate",
        file.to_str().unwrap(),
    ];
    assert!(fail(state, &as_ca).contains("is no CA"));
    let sas = [
        "device",
        "create",
        "e",
        "--auth",
        "sas",
        "--certificate",
        file.to_str().unwrap(),
    ];
    assert!(fail(state, &sas).contains("--certificate goes with"));
    // A certificate that is refused takes the device with it.
    assert_eq!(succeed(state, &["device", "list"]).lines().count(), 1);
}

#[test]
fn without_a_hub_the_commands_say_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    assert!(fail(state.path(), &["device", "list"]).contains("start `local-hub serve --state"));
    let serve = Serve::start(state.path(), &[]);
    serve.kill();
    assert!(fail(state.path(), &["device", "list"]).contains("start `local-hub serve`"));
}

#[test]
fn a_second_hub_in_the_same_directory_and_remote_addresses_are_refused() {
    let state = tempfile::tempdir().unwrap();
    let _serve = Serve::start(state.path(), &[]);
    let second = fail(state.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(second.contains("another hub serves"), "{second}");
    let other = tempfile::tempdir().unwrap();
    let remote = fail(other.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert!(
        remote.contains("can be reached from other machines"),
        "{remote}"
    );
    let remote = fail(
        other.path(),
        &["serve", "--listen", "127.0.0.1:0", "--sntp", "0.0.0.0:0"],
    );
    assert!(
        remote.contains("can be reached from other machines"),
        "{remote}"
    );
}

#[test]
fn help_names_every_command_and_wrong_arguments_are_explained() {
    let state = tempfile::tempdir().unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for command in [
        "serve",
        "device",
        "module-identity",
        "monitor-events",
        "send-c2d",
        "device-twin",
        "invoke-device-method",
        "dps",
        "fault",
        "show-quota-metrics",
    ] {
        let line = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.lines().any(line), "{command}: {help}");
    }
    let output = local_hub(state.path(), &["serve", "--certificate-size", "1m"]);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("such as 4500 or 6k")
    );
    for (arguments, complaint) in [
        (&["--throttle", "gold"][..], "free, s1, s2, s3"),
        (&["--units", "2"], "--throttle"),
        (&["--throttle", "s1", "--units", "0"], "1..=200"),
        (&["--daily-quota", "many"], "--daily-quota"),
    ] {
        let output = local_hub(state.path(), &[&["serve"], arguments].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(complaint), "{error}");
    }
    let output = local_hub(
        state.path(),
        &["send-c2d", "d", "--data", "x", "--property", "novalue"],
    );
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("write it as name=value")
    );
}

#[test]
fn a_polite_kill_ends_the_hub_with_success() {
    let state = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(state.path(), &[]);
    let pid = serve.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(serve.child.wait().unwrap().success());
}

#[test]
fn no_secret_is_in_the_log() {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let serve = Serve::start_logged(state.path(), "trace", &log);
    let text = succeed(state.path(), &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let tokens = [
        device.token(3600),
        token("localhost/devices/d", "AAECAwQFBgcICQoLDA0ODw==", 3600),
    ];
    for password in &tokens {
        let mut client = serve.open(state.path());
        client.send(&connect(
            "d",
            &device.user_name(),
            Some(password),
            Options::default(),
        ));
        client.receive(4);
        client.send(&DISCONNECT);
        client.expect_close();
    }
    serve.kill();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("connected from") && log.contains("CONNECT refused"),
        "{log}"
    );
    assert!(!log.contains(&device.key));
    let service = std::fs::read_to_string(state.path().join("service.connection-string")).unwrap();
    assert!(!log.contains(service.split_once("SharedAccessKey=").unwrap().1));
    assert!(!log.contains("sig="), "{log}");
    for password in tokens {
        let signature = password
            .split("sig=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned();
        assert!(!log.contains(&signature));
    }
}
