//! `local-hub` in the words of `az`: messages, events and simulated devices. What was written for `az iot` works with the program's name exchanged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::program::{Serve, fail, start, succeed, value};
use common::*;
use serde_json::{Value, json};

#[test]
fn messages_to_a_device_are_sent_purged_and_their_feedback_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    // The commands find it as they find one of the program; its batches of feedback do not take 15 s.
    let hub = hub_with(|config| {
        config.state = Some(state.to_owned());
        config.limits.feedback_interval = Duration::from_millis(300);
    });
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let mut client = Client::accepted(&hub, &device, Options::default());
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
