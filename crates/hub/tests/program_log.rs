//! Log and output of `local-hub`, also when nobody reads them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::program::{Serve, fail, serve, succeed};
use common::*;
use serde_json::{Value, json};

/// A hub whose log goes to a file.
struct Logged {
    serve: Serve,
    log: PathBuf,
}

impl Logged {
    fn start(state: &Path, level: &str) -> Self {
        let log = state.join("log");
        let serve = Serve::start_logged(state, level, &log);
        Self { serve, log }
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has this text; gives the line.
    fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.read();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {text:?} in the log: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn device(state: &Path, id: &str) -> Device {
    Device::from_connection_string(&succeed(state, &["device", "create", id, "--auth", "sas"]))
}

fn connected(state: &Path, serve: &Serve, device: &Device) -> Client {
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    assert_eq!(client.receive(4)[3], 0);
    client
}

#[test]
fn at_debug_level_each_message_twin_method_and_subscription_has_a_line_without_its_body() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let hub = Logged::start(state, "debug");
    let device = device(state, "d");
    let mut client = connected(state, &hub.serve, &device);
    let filters = [
        "$iothub/methods/POST/#",
        "$iothub/twin/res/#",
        &device.c2d_filter(),
    ];
    client.send(&subscribe(1, &filters.map(|filter| (filter, 1))));
    client.expect(&[0x90, 5, 0, 1, 1, 1, 1]);
    client.send(&publish(
        &format!("{}a=propertysecret", device.events_topic()),
        Some(1),
        b"bodysecret",
    ));
    client.expect(&[0x40, 2, 0, 1]);
    client.send(&publish(
        "$iothub/twin/PATCH/properties/reported/?$rid=1",
        None,
        b"{\"a\":\"bodysecret\"}",
    ));
    client.publish();
    client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
    client.publish();
    succeed(state, &["send-c2d", "d", "--data", "bodysecret"]);
    let message = client.publish();
    client.send(&puback(message.packet_id.unwrap()));
    succeed(
        state,
        &[
            "device-twin",
            "update",
            "d",
            "--desired",
            r#"{"b": "bodysecret"}"#,
        ],
    );
    std::thread::scope(|scope| {
        let invoke = [
            "invoke-device-method",
            "d",
            "--mn",
            "blink",
            "--mp",
            "\"bodysecret\"",
        ];
        let call = scope.spawn(move || succeed(state, &invoke));
        let topic = client.publish().topic;
        let rid = topic.split_once("$rid=").unwrap().1.to_owned();
        client.send(&publish(
            &format!("$iothub/methods/res/200/?$rid={rid}"),
            None,
            b"\"bodysecret\"",
        ));
        call.join().unwrap();
    });
    let unsubscribe = [vec![0, 2], string("$iothub/methods/POST/#")].concat();
    client.send(&packet(0xa2, &unsubscribe));
    client.expect(&[0xb0, 2, 0, 2]);
    for text in [
        "debug \"d\" subscribed to \"$iothub/twin/res/#\" with QoS 1",
        "debug \"d\" sent telemetry: 10 bytes and 1 properties",
        "debug \"d\" reported 18 bytes: version 2",
        "debug \"d\" read its twin: ",
        "debug a message of 10 bytes waits for \"d\"",
        "debug \"d\" is sent message 1 of 10 bytes with QoS 1",
        "debug \"d\" acknowledged message 1",
        "debug \"d\" has desired properties of version 2 and is not told now",
        "debug \"d\" is called by method \"blink\" with 12 bytes, request id ",
        "debug \"d\" answered method call ",
        "debug \"d\" unsubscribed from \"$iothub/methods/POST/#\"",
    ] {
        hub.wait_for(text);
    }
    let log = hub.read();
    assert!(
        !log.contains("secret") && !log.contains(&device.key),
        "{log}"
    );
    // What other crates say is no line of the hub's log.
    for other in [
        "cipher suite",
        "CipherSuite",
        "ClientHello",
        "ALPN",
        "handshake",
    ] {
        assert!(!log.contains(other), "{other}: {log}");
    }
}

#[test]
fn a_client_that_speaks_another_protocol_is_named_with_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let hub = Logged::start(state, "warn");
    let plain = |address: SocketAddr, bytes: &[u8]| {
        let mut tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // The hub may reset what it did not read.
        let _ = tcp.read_to_end(&mut rest);
    };
    let mqtt = |name: &str, level: u8| {
        let body = [string(name), vec![level, 2, 0, 60], vec![0; 3]].concat();
        packet(0x10, &body)
    };
    plain(hub.serve.mqtt, &mqtt("MQTT", 4));
    hub.wait_for("the client speaks MQTT without TLS; have it use TLS, and trust ca.pem");
    plain(hub.serve.mqtt, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hub.wait_for("the client speaks HTTP without TLS");
    plain(hub.serve.mqtt, b"AMQP\x03\x01\0\0");
    hub.wait_for("the client speaks AMQP without TLS");
    plain(
        hub.serve.operator,
        b"GET /devices HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    hub.wait_for("does not speak TLS to the operator's port; use https://");
    for (bytes, said) in [
        (
            b"GET /$iothub/websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec(),
            "MQTT over WebSocket is served on the operator's port",
        ),
        (
            b"POST /devices/d/messages/events?api-version=x HTTP/1.1\r\n\r\n".to_vec(),
            "the client speaks HTTP; this port is for MQTT",
        ),
        (
            b"AMQP\0\x01\0\0".to_vec(),
            "the client speaks AMQP; this hub has no AMQP: choose MQTT",
        ),
        (mqtt("MQTT", 5), "it speaks MQTT 5; this hub has MQTT 3.1.1"),
        (
            mqtt("MQIsdp", 3),
            "it speaks MQTT 3.1; this hub has MQTT 3.1.1",
        ),
    ] {
        let mut client = hub.serve.open(state);
        client.send(&bytes);
        client.expect_close();
        let line = hub.wait_for(said);
        assert!(line.contains(" warn "), "{line}");
    }
}

#[test]
fn a_fault_is_logged_in_words() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let hub = Logged::start(state, "info");
    device(state, "d");
    for (arguments, said) in [
        (
            &["refuse-connect", "d", "--code", "3", "--times", "2"][..],
            "CONNECT is refused with return code 3, 2 times",
        ),
        (
            &["delay-puback", "d", "--milliseconds", "5"],
            "PUBACKs come 5 ms late",
        ),
        (&["suppress-puback", "d"], "no PUBACKs are sent"),
        (
            &["fail-twin", "d", "--status", "429"],
            "requests to the twin fail with 429, 1 times",
        ),
        (&["duplicate-c2d", "d"], "messages come twice, 1 times"),
    ] {
        succeed(state, &[&["fault"], arguments].concat());
        hub.wait_for(&format!("fault for \"d\": {said}"));
    }
    assert!(!hub.read().contains('{'));
}

/// Runs a command whose standard output nobody reads; gives its success and what it complained of.
fn unread(state: &Path, arguments: &[&str]) -> (bool, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(arguments)
        .arg("--state")
        .arg(state)
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn every_command_that_prints_ends_silently_when_nobody_reads() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &["--daily-quota", "1000"]);
    let device = device(state, "d");
    let mut client = connected(state, &serve, &device);
    client.send(&publish(&device.events_topic(), Some(1), b"x"));
    client.expect(&[0x40, 2, 0, 1]);
    for arguments in [
        &["device", "list"][..],
        &["device", "create", "e", "--auth", "sas"],
        &["device", "connection-string", "d"],
        &["module-identity", "create", "d", "m"],
        &["module-identity", "list", "d"],
        &["module-identity", "connection-string", "d", "m"],
        &["device-twin", "show", "d"],
        &["device-twin", "update", "d", "--tags", "{}"],
        &["dps", "id-scope"],
        &["dps", "enroll", "r"],
        &["dps", "enroll-group", "g"],
        &["dps", "enrollment", "list"],
        &[
            "device-identity",
            "list",
            "-o",
            "tsv",
            "--query",
            "[].deviceId",
        ],
        &["device-identity", "renew-key", "-d", "d", "--kt", "swap"],
        &["generate-sas-token", "-d", "d"],
        &["query", "-q", "select * from devices"],
        &["show-quota-metrics"],
    ] {
        assert_eq!(
            unread(state, arguments),
            (true, String::new()),
            "{arguments:?}"
        );
    }
    let monitored = unread(state, &["monitor-events", "--from-start"]);
    assert_eq!(monitored, (true, "waiting for events\n".to_owned()));
}

#[test]
fn a_hub_serves_on_when_nobody_reads_its_announcement() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = serve(state, "off")
        .args(["--chain", "ecc"])
        .stdout(writer)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut list = Command::new(env!("CARGO_BIN_EXE_local-hub"));
    list.args(["device", "list", "--state"]).arg(state);
    while !list.output().unwrap().status.success() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_devices_and_operators_wrote_reaches_the_terminal_without_control_characters() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let hub = Logged::start(state, "debug");
    let device = device(state, "d");
    let mut client = connected(state, &hub.serve, &device);
    let evil = "\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200f}\u{feff}\u{1b}[2J\u{7}x";
    let encoded = "%C2%9B31m%7F%E2%80%AE%E2%81%A6%E2%80%8F%EF%BB%BF%1B%5B2J%07x";
    let topic = format!(
        "{}$.mid={encoded}&{encoded}={encoded}",
        device.events_topic()
    );
    client.send(&publish(&topic, Some(1), evil.as_bytes()));
    client.expect(&[0x40, 2, 0, 1]);
    let json = json!({ "e": evil }).to_string();
    client.send(&publish(
        &format!("{}$.ct=application%2Fjson", device.events_topic()),
        Some(2),
        json.as_bytes(),
    ));
    client.expect(&[0x40, 2, 0, 2]);
    let clean = |text: &str| {
        let harmful = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
        };
        assert!(!text.contains(harmful), "{text:?}");
    };
    let events = succeed(state, &["monitor-events", "--from-start", "--count", "2"]);
    clean(&events);
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (first, second) = (&events[0]["event"], &events[1]["event"]);
    assert_eq!(
        (&first["payload"], &second["payload"]["e"]),
        (&json!(evil), &json!(evil))
    );
    assert_eq!(first["properties"]["system"]["message_id"], evil);
    assert_eq!(first["properties"]["application"][evil], evil);

    let twin = json!({ "note": evil }).to_string();
    let shown = succeed(
        state,
        &[
            "device-twin",
            "update",
            "d",
            "--desired",
            &twin,
            "--tags",
            &twin,
        ],
    );
    clean(&shown);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (
            &shown["tags"]["note"],
            &shown["properties"]["desired"]["note"]
        ),
        (&json!(evil), &json!(evil))
    );

    let method = std::thread::scope(|scope| {
        client.send(&subscribe(1, &[("$iothub/methods/POST/#", 0)]));
        client.expect(&[0x90, 3, 0, 1, 0]);
        let call = scope.spawn(move || succeed(state, &["invoke-device-method", "d", "--mn", "m"]));
        let topic = client.publish().topic;
        let rid = topic.split_once("$rid=").unwrap().1.to_owned();
        client.send(&publish(
            &format!("$iothub/methods/res/200/?$rid={rid}"),
            None,
            json.as_bytes(),
        ));
        call.join().unwrap()
    });
    clean(&method);
    assert_eq!(
        serde_json::from_str::<Value>(&method).unwrap()["payload"]["e"],
        evil
    );

    // An error repeats what was asked for, the log what was sent.
    let hidden: String = evil.chars().filter(|c| *c != '\0').collect();
    clean(&fail(state, &["device-twin", "show", &hidden]));
    client.send(&publish(
        &format!("devices/{hidden}/messages/events/"),
        None,
        b"x",
    ));
    client.expect_close();
    let mut client = hub.serve.open(state);
    client.send(&connect(
        &hidden,
        &format!("localhost/{hidden}/?api-version=x"),
        Some("x"),
        Options::default(),
    ));
    client.expect(&CONNACK_REFUSED);
    hub.wait_for("CONNECT refused");
    hub.wait_for("closed \"d\"");
    clean(&hub.read());
}

#[test]
fn a_device_whose_files_cannot_be_written_is_not_registered_and_one_that_is_not_registered_leaves_no_files()
 {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let _serve = Serve::start(state, &[]);
    let out = tempfile::tempdir().unwrap();
    let create = |id: &str, auth: &str| {
        let out = out.path().to_str().unwrap().to_owned();
        ["device", "create", id, "--auth", auth, "--out", &out].map(str::to_owned)
    };
    let run = |arguments: [String; 7]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        fail(state, &arguments)
    };
    let files = || std::fs::read_dir(out.path()).unwrap().count();
    for auth in ["x509-thumbprint", "x509-ca"] {
        // The second of the two files is there.
        let key = out.path().join("d.key.pem");
        std::fs::write(&key, "precious").unwrap();
        assert!(run(create("d", auth)).contains("d.key.pem"));
        assert_eq!(succeed(state, &["device", "list"]), "");
        assert_eq!(std::fs::read_to_string(&key).unwrap(), "precious");
        assert_eq!(files(), 1);
        std::fs::remove_file(&key).unwrap();
    }
    device(state, "taken");
    assert!(run(create("taken", "x509-thumbprint")).contains("already"));
    assert!(run(create("../sneaky", "x509-ca")).contains("consists of"));
    assert_eq!(files(), 0);
    assert_eq!(succeed(state, &["device", "list"]).lines().count(), 1);
    assert!(!out.path().with_file_name("sneaky.cert.pem").exists());
}

#[test]
fn an_enrolment_that_is_there_is_not_replaced_without_being_asked_to() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let _serve = Serve::start(state, &[]);
    for command in ["enroll", "enroll-group"] {
        let made: Value =
            serde_json::from_str(&succeed(state, &["dps", command, "dev-01"])).unwrap();
        let refused = fail(state, &["dps", command, "dev-01"]);
        assert!(
            refused.contains("there is an enrolment \"dev-01\" already"),
            "{refused}"
        );
        assert!(refused.contains("--replace"), "{refused}");
        let replaced = succeed(
            state,
            &["dps", command, "dev-01", "--replace", "--disabled"],
        );
        let replaced: Value = serde_json::from_str(&replaced).unwrap();
        assert_eq!(replaced["provisioningStatus"], "disabled");
        assert_eq!(replaced["attestation"], made["attestation"]);
        let absent = fail(state, &["dps", command, "dev-02", "--replace"]);
        assert!(absent.contains("there is no enrolment"), "{absent}");
    }
}
