//! JSON that the hub keeps nests ten levels deep at most: more is refused, and what was taken is there after a
//! restart.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use common::module::Module;
use common::rest::*;
use common::*;
use local_hub::{Chain, Config, Hub};
use serde_json::{Value, json};

/// Most levels below a section of a twin ("Understand and use device twins in IoT Hub").
const LEVELS: usize = 10;

/// A value of so many levels: objects, arrays, or both in turn.
fn nested(levels: usize, kinds: &str) -> Value {
    let kinds: Vec<char> = kinds.chars().cycle().take(levels).collect();
    kinds.iter().rev().fold(json!(1), |inner, kind| match kind {
        '{' => json!({ "a": inner }),
        _ => json!([inner]),
    })
}

const KINDS: [&str; 4] = ["{", "[", "{[", "[{"];

fn open(state: &Path) -> Hub {
    let mut config = Config::in_directory(state);
    config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.certificate.chain = Chain::Ecc;
    Hub::start(config).unwrap()
}

/// Sends a patch; gives the status of the answer.
fn report(client: &mut Client, patch: &str) -> String {
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    client.send(&publish(topic, None, patch.as_bytes()));
    let answer = client.publish();
    let status = answer.topic.strip_prefix("$iothub/twin/res/").unwrap();
    status.split('/').next().unwrap().to_owned()
}

/// Every request of an operator that has the hub keep JSON, with this value in it.
fn requests(value: &Value) -> [(&'static str, Value); 7] {
    let enrollment = |payload: &Value| {
        let keys = json!({"type": "symmetricKey", "primaryKey": "", "secondaryKey": ""});
        json!({"attestation": keys, "payload": payload})
    };
    let twin = json!({"tags": {"t": value}, "properties": {"desired": {"d": value}}});
    [
        ("PATCH /twins/d", json!({"tags": {"t": value}})),
        (
            "PATCH /twins/d",
            json!({"properties": {"desired": {"d": value}}}),
        ),
        ("PUT /twins/d", twin.clone()),
        ("PATCH /twins/d/modules/m", twin.clone()),
        ("PUT /twins/d/modules/m", twin),
        (
            "PUT /provisioning/enrollments/e",
            enrollment(&json!({ "p": value })),
        ),
        (
            "PUT /provisioning/enrollmentGroups/g",
            enrollment(&json!({ "p": value })),
        ),
    ]
}

/// Condition of a request: it replaces what is there; an enrolment is not there yet.
fn condition(line: &str) -> &'static [(&'static str, &'static str)] {
    match line.contains("/enrollment") {
        true => &[],
        false => &[("If-Match", "*")],
    }
}

#[test]
fn ten_levels_are_kept_by_every_way_and_are_there_after_a_restart() {
    for kinds in KINDS {
        let state = tempfile::tempdir().unwrap();
        let hub = open(state.path());
        let device = Device::create(&hub, "d");
        let module = Module::create(&hub, "d", "m");
        let mut clients = [
            Client::accepted(&hub, &device, Options::default()),
            module.accepted(&hub),
        ];
        let value = nested(LEVELS, kinds);
        let patch = json!({ "r": value }).to_string();
        for client in &mut clients {
            client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
            client.expect(&[0x90, 3, 0, 1, 0]);
            assert_eq!(report(client, &patch), "204", "{patch}");
        }
        for (line, body) in requests(&value) {
            let reply = as_owner_with(&hub, line, condition(line), Some(body));
            assert_eq!(reply.status, 200, "{line} {kinds}: {}", reply.body);
        }
        let read = |hub: &Hub| {
            let lines = [
                "/twins/d",
                "/twins/d/modules/m",
                "/provisioning/enrollments/e",
                "/provisioning/enrollmentGroups/g",
            ];
            lines.map(|path| {
                let mut body = as_owner(hub, &format!("GET {path}"), None).body;
                body["connectionState"] = Value::Null;
                body
            })
        };
        let before = read(&hub);
        assert_eq!(before[0]["properties"]["reported"]["r"], value);
        assert_eq!(before[0]["properties"]["desired"]["d"], value);
        assert_eq!(before[1]["tags"]["t"], value);
        assert_eq!(before[2]["payload"]["p"], value);
        hub.shutdown();
        assert_eq!(read(&open(state.path())), before, "{kinds}");
    }
}

#[test]
fn more_than_ten_levels_are_refused_by_every_way_and_change_nothing() {
    let state = tempfile::tempdir().unwrap();
    let hub = open(state.path());
    let device = Device::create(&hub, "d");
    let module = Module::create(&hub, "d", "m");
    let mut clients = [
        Client::accepted(&hub, &device, Options::default()),
        module.accepted(&hub),
    ];
    for client in &mut clients {
        client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
        client.expect(&[0x90, 3, 0, 1, 0]);
    }
    // Up to what the reader of JSON takes, with what a request has around the value, and beyond it.
    for levels in [
        11, 12, 50, 115, 120, 122, 123, 124, 125, 126, 127, 128, 1000, 20_000,
    ] {
        for kinds in KINDS {
            let text = |levels: usize| {
                let pairs = kinds.chars().cycle().take(levels);
                let open: String = pairs
                    .clone()
                    .map(|k| if k == '{' { "{\"a\":" } else { "[" })
                    .collect();
                let kinds: Vec<char> = pairs.collect();
                let close: String = kinds
                    .iter()
                    .rev()
                    .map(|k| if *k == '{' { '}' } else { ']' })
                    .collect();
                format!("{open}1{close}")
            };
            for client in &mut clients {
                assert_eq!(
                    report(client, &format!("{{\"r\":{}}}", text(levels))),
                    "400"
                );
            }
            if levels > 115 {
                continue;
            }
            for (line, body) in requests(&nested(levels, kinds)) {
                let reply = as_owner_with(&hub, line, condition(line), Some(body));
                assert_eq!(reply.status, 400, "{line} {levels} {kinds}");
                let message = reply.body["Message"].as_str().unwrap();
                assert!(
                    message.starts_with("ErrorCode:ArgumentInvalid;"),
                    "{message}"
                );
                assert!(message.contains("more than 10 levels deep"), "{message}");
            }
        }
    }
    for path in ["/twins/d", "/twins/d/modules/m"] {
        let twin = as_owner(&hub, &format!("GET {path}"), None).body;
        assert_eq!(twin["version"], 1, "{twin}");
    }
    for path in [
        "/provisioning/enrollments/e",
        "/provisioning/enrollmentGroups/g",
    ] {
        assert_eq!(as_owner(&hub, &format!("GET {path}"), None).status, 404);
    }
    hub.shutdown();
    assert_eq!(open(state.path()).devices().len(), 2);
}
