//! `local-hub` in the words of `az`: what was written for `az iot` works with the program's name exchanged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::program::{Serve, fail, local_hub, succeed};
use common::*;
use serde_json::{Value, json};

fn value(state: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(state, arguments)).unwrap()
}

fn identity<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["device-identity"], arguments].concat()
}

fn dps<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["dps"], arguments].concat()
}

/// A command that runs beside the test, with its standard output to be read.
fn start(state: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(arguments)
        .env("LOCAL_HUB_STATE", state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn open(serve: &Serve, state: &Path) -> Client {
    let ca = std::fs::read_to_string(state.join("ca.pem")).unwrap();
    Client::open_with(serve.mqtt, client_config(&ca, None))
}

#[test]
fn device_identities_are_managed_in_the_words_of_az() {
    const KEY: &str = "authentication.symmetricKey.primaryKey";
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    let ask = |arguments: &[&str]| value(state, &identity(arguments));
    let text = |arguments: &[&str]| succeed(state, &identity(arguments));

    let created = ask(&["create", "-d", "d", "-n", "my-hub"]);
    assert_eq!(
        (&created["deviceId"], &created["status"]),
        (&json!("d"), &json!("enabled"))
    );
    let key = text(&["show", "-d", "d", "--query", KEY, "-o", "tsv"]);
    assert_eq!(created["authentication"]["symmetricKey"]["primaryKey"], key);
    let shown = ask(&["connection-string", "show", "-d", "d"]);
    let expected = format!("HostName=localhost;DeviceId=d;SharedAccessKey={key}");
    assert_eq!(shown, json!({ "connectionString": expected }));
    assert_eq!(
        succeed(state, &["device", "connection-string", "-d", "d"]),
        expected
    );
    let second = text(&[
        "connection-string",
        "show",
        "-d",
        "d",
        "--kt",
        "secondary",
        "-o",
        "tsv",
        "--query",
        "connectionString",
    ]);
    assert_ne!(second, expected);

    let thumbprint = "A".repeat(40);
    ask(&[
        "create",
        "-d",
        "e",
        "--am",
        "x509_thumbprint",
        "--ptp",
        &thumbprint,
        "--status",
        "disabled",
        "--status-reason",
        "new",
    ]);
    ask(&["create", "--device-id", "f", "--auth-method", "x509_ca"]);
    assert_eq!(
        text(&["list", "--query", "[].deviceId", "-o", "tsv"]),
        "d\ne\nf"
    );
    assert_eq!(ask(&["list", "--top", "1"]).as_array().unwrap().len(), 1);
    let e = ask(&["show", "-d", "e"]);
    assert_eq!(
        (&e["status"], &e["statusReason"]),
        (&json!("disabled"), &json!("new"))
    );
    assert_eq!(
        e["authentication"]["x509Thumbprint"]["primaryThumbprint"],
        thumbprint
    );
    assert_eq!(
        ask(&["update", "-d", "e", "--status", "enabled"])["status"],
        "enabled"
    );
    let by_keys = ask(&["update", "-d", "e", "--am", "shared_private_key"]);
    assert_eq!(by_keys["authentication"]["type"], "sas");
    text(&["delete", "-d", "e"]);
    assert!(fail(state, &identity(&["show", "-d", "e"])).contains("there is no device \"e\""));
    assert!(fail(state, &identity(&["create", "-d", "d"])).contains("\"d\" already"));
    assert!(
        fail(
            state,
            &identity(&["create", "-d", "g", "--am", "x509_thumbprint"])
        )
        .contains("--primary-thumbprint")
    );
    assert!(
        fail(
            state,
            &identity(&["create", "-d", "g", "--am", "x509_ca", "--ptp", "A"])
        )
        .contains("x509_thumbprint")
    );
}

#[test]
fn keys_are_renewed_one_by_one_both_or_exchanged_and_connections_close() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    succeed(state, &["module-identity", "create", "d", "m"]);
    let device = Device::from_connection_string(&text);
    let mut client = open(&serve, state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    for name in [&["device-identity"][..], &["module-identity"]] {
        let module: &[&str] = if name == ["module-identity"] {
            &["-m", "m"]
        } else {
            &[]
        };
        let keys = |verb: &[&str]| {
            let entry = value(state, &[name, verb, &["-d", "d"], module].concat());
            let keys = &entry["authentication"]["symmetricKey"];
            let key = |which: &str| keys[which].as_str().unwrap().to_owned();
            (key("primaryKey"), key("secondaryKey"))
        };
        let old = keys(&["show"]);
        let first = keys(&["renew-key", "--kt", "primary"]);
        assert!(first.0 != old.0 && first.1 == old.1);
        let second = keys(&["renew-key", "--kt", "secondary"]);
        assert!(second.0 == first.0 && second.1 != first.1);
        let both = keys(&["renew-key", "--key-type", "both"]);
        assert!(both.0 != second.0 && both.1 != second.1);
        assert_eq!(
            keys(&["renew-key", "--kt", "swap"]),
            (both.1.clone(), both.0.clone())
        );
        assert_eq!(keys(&["show"]), (both.1, both.0));
    }
    client.expect_close();
    value(
        state,
        &["device-identity", "create", "-d", "x", "--am", "x509_ca"],
    );
    let none = ["device-identity", "renew-key", "-d", "x", "--kt", "both"];
    assert!(fail(state, &none).contains("has no symmetric keys"));
}

#[test]
fn modules_twins_and_methods_are_named_by_the_options_of_az() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "-d", "d", "--auth", "sas"]);
    let made = value(state, &["module-identity", "create", "-d", "d", "-m", "m"]);
    assert_eq!(
        (&made["deviceId"], &made["moduleId"]),
        (&json!("d"), &json!("m"))
    );
    let text = succeed(state, &["module-identity", "connection-string", "d", "m"]);
    let shown = value(
        state,
        &[
            "module-identity",
            "connection-string",
            "show",
            "-d",
            "d",
            "-m",
            "m",
        ],
    );
    assert_eq!(shown["connectionString"], text);
    let list = [
        "module-identity",
        "list",
        "-d",
        "d",
        "--query",
        "[].moduleId",
    ];
    assert_eq!(value(state, &list), json!(["m"]));
    let desired = r#"{"a": 1}"#;
    value(
        state,
        &["device-twin", "update", "-d", "d", "--desired", desired],
    );
    value(
        state,
        &[
            "module-twin",
            "update",
            "-d",
            "d",
            "-m",
            "m",
            "--desired",
            r#"{"b": 2}"#,
        ],
    );
    let show = |name: &str, module: &[&str]| {
        let query = [
            "show",
            "-d",
            "d",
            "--query",
            "properties.desired",
            "-n",
            "h",
        ];
        value(state, &[&[name], &query[..], module].concat())
    };
    assert_eq!(show("device-twin", &[])["a"], 1);
    assert_eq!(show("module-twin", &["-m", "m"])["b"], 2);
    assert!(fail(state, &["module-twin", "show", "-d", "d"]).contains("--module"));
    for call in [
        &["invoke-device-method", "-d", "d", "--mn", "x"][..],
        &["invoke-module-method", "-d", "d", "-m", "m", "--mn", "x"],
    ] {
        assert!(fail(state, call).contains("is not connected"), "{call:?}");
    }
    assert!(
        fail(state, &["fault", "drop-connection", "-d", "d", "-m", "m"]).contains("not connected")
    );
    // Twice is not once.
    assert!(fail(state, &["device-twin", "show", "d", "-d", "d"]).contains("does not go with"));
    assert!(fail(state, &["device-twin", "show"]).contains("missing"));
}

#[test]
fn the_name_of_a_hub_is_ignored_with_a_hint_and_the_environment_names_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    for option in ["-n", "--hub-name", "--dps-name"] {
        let output = local_hub(state, &["device", "list", option, "some-hub"]);
        let hint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success());
        assert!(
            hint.contains("-n is ignored") && hint.contains("LOCAL_HUB_STATE"),
            "{hint}"
        );
        assert!(!hint.contains("some-hub"), "{hint}");
    }
    let output = local_hub(state, &["device", "list", "-g", "some-group"]);
    let hint = String::from_utf8(output.stderr).unwrap();
    assert!(
        hint.contains("-g is ignored") && !hint.contains("some-group"),
        "{hint}"
    );
    let quiet = start(state, &["device", "list"])
        .wait_with_output()
        .unwrap();
    assert!(
        quiet.status.success() && quiet.stderr.is_empty(),
        "{quiet:?}"
    );
}

#[test]
fn enrolments_are_managed_in_the_words_of_az_with_the_keys_where_it_has_them() {
    const KEY: &str = "attestation.symmetricKey.primaryKey";
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    let scope = succeed(state, &dps(&["id-scope"]));
    let query = [
        "show",
        "-n",
        "dps",
        "--query",
        "properties.idScope",
        "-o",
        "tsv",
    ];
    assert_eq!(succeed(state, &dps(&query)), scope);

    let create = [
        "enrollment",
        "create",
        "--eid",
        "r",
        "--at",
        "symmetricKey",
        "--device-id",
        "of-r",
    ];
    let made = value(state, &dps(&create));
    assert_eq!(
        (&made["registrationId"], &made["deviceId"]),
        (&json!("r"), &json!("of-r"))
    );
    assert_eq!(made["provisioningStatus"], "enabled");
    let show = [
        "enrollment",
        "show",
        "--eid",
        "r",
        "--show-keys",
        "--query",
        KEY,
        "-o",
        "tsv",
    ];
    let key = succeed(state, &dps(&show));
    assert_eq!(made["attestation"]["symmetricKey"]["primaryKey"], key);
    let hidden = value(state, &dps(&["enrollment", "show", "--eid", "r"]));
    assert_eq!(hidden["attestation"], json!({"type": "symmetricKey"}));
    let update = [
        "enrollment",
        "update",
        "--eid",
        "r",
        "--provisioning-status",
        "disabled",
    ];
    let updated = value(state, &dps(&update));
    assert_eq!(updated["provisioningStatus"], "disabled");
    assert_eq!(
        (&updated["deviceId"], &updated["attestation"]),
        (&json!("of-r"), &made["attestation"])
    );
    assert!(fail(state, &dps(&create)).contains("already"));
    succeed(state, &dps(&["enrollment", "delete", "--eid", "r"]));
    assert!(
        fail(state, &dps(&["enrollment", "show", "--eid", "r"])).contains("there is no enrolment")
    );

    let group = [
        "enrollment-group",
        "create",
        "--gid",
        "fleet",
        "--at",
        "symmetricKey",
    ];
    let group = value(state, &dps(&group));
    assert_eq!(group["enrollmentGroupId"], "fleet");
    let certificate = state.join("ca.pem");
    let x509 = [
        "enrollment-group",
        "create",
        "--gid",
        "signed",
        "--cp",
        certificate.to_str().unwrap(),
    ];
    let signed = value(state, &dps(&x509));
    let pem = &signed["attestation"]["x509"]["signingCertificates"]["primary"]["certificate"];
    assert_eq!(*pem, std::fs::read_to_string(&certificate).unwrap());
    succeed(
        state,
        &dps(&["enrollment-group", "delete", "--gid", "signed"]),
    );
    let ids = |kind: &str, member: &str| {
        let query = format!("[].{member}");
        succeed(state, &dps(&[kind, "list", "--query", &query, "-o", "tsv"]))
    };
    assert_eq!(ids("enrollment", "registrationId"), "");
    assert_eq!(ids("enrollment-group", "enrollmentGroupId"), "fleet");
    // The program's own words have the keys there too.
    let own = value(state, &dps(&["enroll", "own"]));
    assert!(own["attestation"]["symmetricKey"]["primaryKey"].is_string());
    assert_eq!(ids("enrollment", "registrationId"), "own");
    let listed = value(state, &dps(&["enrollment", "list", "--show-keys"]));
    assert_eq!(listed, json!([own]));
    let hidden = value(state, &dps(&["enrollment", "list"]));
    assert_eq!(hidden[0]["attestation"], json!({"type": "symmetricKey"}));
    for (wrong, complaint) in [
        (
            &["enrollment", "create", "--eid", "w"][..],
            "--attestation-type",
        ),
        (
            &["enrollment", "create", "--eid", "w", "--at", "x509"],
            "--certificate-path",
        ),
        (
            &[
                "enrollment",
                "create",
                "--eid",
                "w",
                "--at",
                "symmetricKey",
                "--cp",
                "f",
            ],
            "x509",
        ),
        (
            &[
                "enrollment-group",
                "create",
                "--gid",
                "w",
                "--at",
                "symmetricKey",
                "--device-id",
                "d",
            ],
            "own ids",
        ),
    ] {
        let told = fail(state, &dps(wrong));
        assert!(told.contains(complaint), "{wrong:?}: {told}");
    }
}

#[test]
fn a_generated_token_connects_a_device_and_opens_the_rest_interface() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let token = |arguments: &[&str]| {
        let query = ["--query", "sas", "-o", "tsv"];
        succeed(
            state,
            &[&["generate-sas-token"], arguments, &query].concat(),
        )
    };
    for key in ["primary", "secondary"] {
        let mut client = open(&serve, state);
        let password = token(&["-d", "d", "--du", "60", "--kt", key]);
        let user_name = "localhost/d/?api-version=2021-04-12";
        let options = Options::default();
        client.send(&connect("d", user_name, Some(&password), options));
        assert_eq!(client.receive(4)[3], 0);
        client.send(&DISCONNECT);
        client.expect_close();
    }
    succeed(state, &["module-identity", "create", "d", "m"]);
    assert!(token(&["-d", "d", "-m", "m"]).contains("localhost%2Fdevices%2Fd%2Fmodules%2Fm&"));
    let of_hub = token(&[]);
    assert!(
        of_hub.contains("sr=localhost&") && of_hub.ends_with("&skn=iothubowner"),
        "{of_hub}"
    );
    value(
        state,
        &["device-identity", "create", "-d", "x", "--am", "x509_ca"],
    );
    assert!(fail(state, &["generate-sas-token", "-d", "x"]).contains("no tokens"));
    assert!(fail(state, &["generate-sas-token", "-m", "m"]).contains("missing"));
}

#[test]
fn messages_to_a_device_are_sent_purged_and_their_feedback_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let mut client = open(&serve, state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    client.subscribe_c2d(&device, 1);
    let send = |mid: &str| {
        let message = [
            "c2d-message",
            "send",
            "-d",
            "d",
            "--data",
            "hi",
            "--props",
            "a=1;b=xy",
            "--ct",
            "text/plain",
        ];
        succeed(
            state,
            &[&message[..], &["--mid", mid, "--ack", "full", "-n", "h"]].concat(),
        );
    };
    send("m1");
    let message = client.publish();
    assert_eq!(message.payload, b"hi");
    for part in [
        "%24.mid=m1",
        "a=1",
        "b=xy",
        "%24.ct=text%2Fplain",
        "iothub-ack=full",
    ] {
        assert!(message.topic.contains(part), "{}", message.topic);
    }
    let id = message.packet_id.unwrap().to_be_bytes();
    client.send(&[0x40, 2, id[0], id[1]]);
    client.send(&DISCONNECT);
    client.expect_close();
    send("m2");
    let purged = value(state, &["c2d-message", "purge", "-d", "d"]);
    assert_eq!(purged["totalMessagesPurged"], 1);
    let feedback = succeed(
        state,
        &["monitor-feedback", "-d", "d", "-w", "m2", "-n", "h"],
    );
    let records: Vec<Value> = feedback
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let outcomes: Vec<_> = records
        .iter()
        .map(|record| (&record["originalMessageId"], &record["statusCode"]))
        .collect();
    assert_eq!(
        outcomes,
        [
            (&json!("m1"), &json!("Success")),
            (&json!("m2"), &json!("Purged"))
        ]
    );
    // What was shown is gone.
    assert_eq!(succeed(state, &["monitor-feedback", "--timeout", "1"]), "");
    assert!(
        fail(
            state,
            &[
                "c2d-message",
                "send",
                "-d",
                "d",
                "--data",
                "x",
                "--props",
                "novalue"
            ]
        )
        .contains("name=value")
    );
}

#[test]
fn a_simulated_device_sends_receives_and_answers_methods() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
    succeed(
        state,
        &["send-c2d", "d", "--data", "waited", "--property", "k=v"],
    );
    let mut simulated = start(
        state,
        &[
            "simulate",
            "-d",
            "d",
            "--mc",
            "0",
            "--mrc",
            "201",
            "--mrp",
            r#"{"done":true}"#,
        ],
    );
    let mut lines = BufReader::new(simulated.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let waited = next();
    assert_eq!(waited["c2d"]["payload"], "waited");
    assert_eq!(waited["c2d"]["properties"]["k"], "v");
    let answer = value(
        state,
        &[
            "invoke-device-method",
            "-d",
            "d",
            "--mn",
            "blink",
            "--mp",
            "[1]",
            "-o",
            "json",
        ],
    );
    assert_eq!(answer, json!({"status": 201, "payload": {"done": true}}));
    assert_eq!(
        next(),
        json!({"method": {"name": "blink", "payload": "[1]"}})
    );
    // The message was completed.
    let entry = value(state, &["device-identity", "show", "-d", "d"]);
    assert_eq!(entry["cloudToDeviceMessageCount"], 0);
    // Ctrl-C: it says goodbye.
    let pid = simulated.id().to_string();
    let interrupt = Command::new("kill").args(["-INT", &pid]).status();
    assert!(interrupt.unwrap().success());
    assert!(simulated.wait().unwrap().success());

    let started = std::time::Instant::now();
    succeed(
        state,
        &[
            "simulate",
            "-d",
            "d",
            "--mc",
            "2",
            "--mi",
            "1",
            "-p",
            "site=north",
        ],
    );
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
    succeed(
        state,
        &[
            "send-d2c-message",
            "-d",
            "d",
            "--data",
            "plain",
            "--props",
            "$.mid=7;a=b",
        ],
    );
    let events = succeed(state, &["monitor-events", "--from-start", "--count", "3"]);
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (number, event) in events[..2].iter().enumerate() {
        let event = &event["event"];
        assert_eq!(
            event["payload"]["data"],
            format!("Ping from local-hub #{}", number + 1)
        );
        assert_eq!(event["properties"]["application"], json!({"site": "north"}));
    }
    assert_eq!(events[2]["event"]["payload"], "plain");
    assert_eq!(
        events[2]["event"]["properties"]["system"]["message_id"],
        "7"
    );
    assert_eq!(
        events[2]["event"]["properties"]["application"],
        json!({"a": "b"})
    );

    succeed(state, &["device", "disable", "d"]);
    assert!(fail(state, &["send-d2c-message", "-d", "d", "--data", "x"]).contains("CONNACK 5"));
    assert!(fail(state, &["simulate", "-d", "e"]).contains("there is no device"));
}

#[test]
fn events_are_a_line_each_on_a_terminal_and_json_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let data = r#"{"t": 21.5}"#;
    let send = [
        "send-d2c-message",
        "-d",
        "d",
        "--data",
        data,
        "--props",
        "$.ct=application/json;alert=a b",
    ];
    succeed(state, &send);
    succeed(
        state,
        &["send-d2c-message", "-d", "d", "--data", "\u{1b}[2J\nx"],
    );
    let monitor = ["monitor-events", "--from-start", "--count", "2"];

    let (controller, terminal) = terminal();
    let mut child = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(monitor)
        .env("LOCAL_HUB_STATE", state)
        .stdout(terminal)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut lines = BufReader::new(controller);
    for _ in 0..2 {
        lines.read_line(&mut shown).unwrap();
    }
    assert!(child.wait().unwrap().success());
    let shown: Vec<&str> = shown.lines().collect();
    assert!(
        shown[0].ends_with(" d  {\"t\":21.5}  alert=a b"),
        "{shown:?}"
    );
    assert!(shown[1].ends_with(" d  \\u001b[2J\\u000ax"), "{shown:?}");
    assert_eq!(shown[0].as_bytes()[2], b':', "{shown:?}");

    let piped = succeed(state, &monitor);
    let first: Value = serde_json::from_str(piped.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"]["payload"]["t"], 21.5);
    assert!(first["event"]["annotations"]["iothub-enqueuedtime"].is_u64());
    assert_eq!(
        succeed(state, &[&monitor[..], &["-o", "json"]].concat()),
        piped
    );
    let text = succeed(state, &[&monitor[..], &["--output", "text"]].concat());
    assert_eq!(text.lines().collect::<Vec<_>>(), shown);
}

#[test]
fn a_monitor_ends_after_a_time_without_events_and_filters_what_it_shows() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    for id in ["d", "e"] {
        succeed(state, &["device", "create", id, "--auth", "sas"]);
        succeed(
            state,
            &["send-d2c-message", "-d", id, "--data", r#"{"a": 1}"#],
        );
    }
    let monitor = |arguments: &[&str]| {
        let all = [
            "monitor-events",
            "--from-start",
            "--timeout",
            "1",
            "-n",
            "h",
        ];
        succeed(state, &[&all[..], arguments].concat())
    };
    assert_eq!(monitor(&[]).lines().count(), 2);
    let one = monitor(&[
        "-d",
        "e",
        "--props",
        "anno",
        "--content-type",
        "application/json",
    ]);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["event"]["origin"], "e");
    assert_eq!(one["event"]["payload"], json!({"a": 1}));
    assert_eq!(one["event"].get("properties"), None);
    assert!(one["event"]["annotations"].is_object());
    assert_eq!(monitor(&["-d", "e", "-m", "none"]), "");
}

/// A pseudo-terminal: the end that reads what is shown, and the one that a program writes to.
fn terminal() -> (impl Read, Stdio) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    (std::fs::File::from(controller), Stdio::from(terminal))
}
