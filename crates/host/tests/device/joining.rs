//! Devices of every kind of credential join, send, receive and leave.

use std::thread;
use std::time::{Duration, Instant};

use azure_device_app::App;
use azure_device_host::runner::Settings;
use local_hub::{Ack, Event, Hub, Message, Outcome};

use crate::program::{Access, PATIENCE, Program};
use crate::support::{
    access, assert_complete_and_in_order, count, hub, start, start_with, x509_access,
};

#[test]
fn a_device_with_a_symmetric_key_joins_sends_receives_and_leaves() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    joins_sends_receives_and_leaves(&hub, &access(&hub, &connection_string));
}

#[test]
fn a_device_with_a_registered_certificate_joins_sends_receives_and_leaves() {
    let hub = hub();
    let device = hub.create_x509_device("device").unwrap();
    joins_sends_receives_and_leaves(&hub, &x509_access(&hub, &device));
}

#[test]
fn a_device_with_a_certificate_of_a_registered_authority_joins_sends_receives_and_leaves() {
    let hub = hub();
    let device = hub.create_x509_ca_device("device").unwrap();
    joins_sends_receives_and_leaves(&hub, &x509_access(&hub, &device));
}

fn joins_sends_receives_and_leaves(hub: &Hub, access: &Access<'_>) {
    let message = Message {
        message_id: Some("m1".into()),
        ack: Some(Ack::Full),
        properties: vec![("k".into(), "a+b".into())],
        ..Message::new("hi")
    };
    // Queued before the device has ever been there: it comes right after the first subscription.
    hub.send_c2d("device", message).unwrap();
    let (device, taken) = start(access, |settings| settings.will = Some("gone".into()));

    let received = taken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(received.body, b"hi");
    let property = |key: &str| {
        let found = received.properties.iter().find(|(name, _)| name == key);
        found.and_then(|(_, value)| value.clone())
    };
    assert_eq!(property("k").as_deref(), Some("a+b"));
    assert_eq!(property("$.mid").as_deref(), Some("m1"));

    let (enough, _) = hub.wait_for_events(PATIENCE, |events| events.len() >= 5);
    assert!(enough);
    let report = device.stop();
    assert!(hub.wait_connected("device", false, PATIENCE));
    assert_eq!(
        (report.connections, report.failures),
        (1, 0),
        "{:?}",
        report.last_failure
    );
    assert_eq!(report.messages_taken, 1);
    assert_eq!(hub.pending_c2d("device"), 0);
    let feedback = hub.take_feedback().unwrap();
    assert_eq!(feedback.len(), 1);
    assert_eq!(feedback[0].status_code, Outcome::Success);

    // Whatever was under way was waited for, and the goodbye kept the will away.
    let events = hub.events();
    assert_eq!(events.len() as u64, report.telemetry_acknowledged);
    let counts: Vec<_> = events.iter().map(count).collect();
    assert_complete_and_in_order(&counts, 0, report.dropped.total());
    events.iter().for_each(assert_is_well_described);
}

#[track_caller]
fn assert_is_well_described(event: &Event) {
    assert_eq!(event.origin.device_id, "device");
    assert_eq!(event.system["content_type"], "application/json");
    assert_eq!(event.system["content_encoding"], "utf-8");
    assert!(!event.system["message_id"].is_empty());
    let created = event.properties["iothub-creation-time-utc"]
        .as_deref()
        .unwrap();
    assert!(
        created.starts_with("20") && created.ends_with('Z'),
        "{created}"
    );
    assert!(
        event.to_json()["event"]["payload"]["temperature"].is_number(),
        "{}",
        event.to_json()
    );
}

#[test]
fn a_device_that_vanishes_leaves_its_will() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let program = Program::device(&access(&hub, &connection_string), &["--will", "gone"]);
    program.wait_for("joined");
    drop(program);
    let is_will =
        |event: &Event| event.properties.get("iothub-MessageType") == Some(&Some("Will".into()));
    let (found, events) = hub.wait_for_events(PATIENCE, |events| events.iter().any(is_will));
    assert!(found, "{events:?}");
    assert_eq!(
        events.iter().find(|event| is_will(event)).unwrap().body,
        b"gone"
    );
}

#[test]
fn enter_sends_a_message_at_once() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    let mut program = Program::device(&access, &["--interval", "never"]);
    program.wait_for("joined");
    for pressed in 1..=3 {
        program.press_enter();
        let (found, events) = hub.wait_for_events(PATIENCE, |events| events.len() >= pressed);
        assert!(found);
        assert_eq!(count(&events[pressed - 1]), pressed as u64);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_goodbye_and_succeeds() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    let program = Program::device(&access, &["--interval", "0.1", "--will", "gone"]);
    let (enough, _) = hub.wait_for_events(PATIENCE, |events| events.len() >= 3);
    assert!(enough);
    program.interrupt();
    let (status, lines) = program.finish();
    assert!(status.success(), "{}", lines.join("\n"));
    assert!(hub.wait_connected("device", false, Duration::from_secs(5)));
    assert!(hub.events().iter().all(|event| event.body != b"gone"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_device_that_cannot_connect_without_blaming_the_network() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    // It accepts, into the kernel's queue, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut access = access(&hub, &connection_string);
    access.endpoint = silent.local_addr().unwrap().to_string();
    let program = Program::device(&access, &["-v"]);
    program.wait_for("TCP connected");
    program.interrupt();
    let (status, lines) = program.finish();
    assert!(status.success());
    assert!(!lines.join("\n").contains(" ERROR "), "{lines:?}");
}

#[test]
fn a_connection_string_may_come_from_the_environment_and_must_come_from_somewhere() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), hub.ca_pem()).unwrap();
    let endpoint = hub.endpoint().to_string();
    let arguments = [
        "device",
        "--ca",
        ca.path().to_str().unwrap(),
        "--endpoint",
        &endpoint,
    ];
    Program::start_with_variable(&connection_string, &arguments).wait_for("joined");

    let (status, lines) = Program::start(&arguments).finish();
    assert_eq!(status.code(), Some(1));
    assert!(
        lines[0].contains("no connection string; give a file with"),
        "{lines:?}"
    );
}

#[test]
fn an_operator_restarts_a_device_which_then_serves_on() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let change = |settings: &mut Settings| settings.twin = true;
    let device = start_with(&access(&hub, &connection_string), change, App::default());
    let call = |method: &str| {
        let start = Instant::now();
        loop {
            match hub.invoke_method("device", method, &Default::default(), PATIENCE) {
                Ok(answer) => return answer.status,
                // A device that is just joining has not subscribed yet.
                Err(error) => assert!(start.elapsed() < PATIENCE, "{method}: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    assert_eq!(call("getStatus"), 200);
    assert_eq!(call("reboot"), 200);
    assert!(hub.wait_connected("device", false, PATIENCE));
    assert_eq!(call("getStatus"), 200);
    assert_eq!(call("noSuchMethod"), 404);
    device.stop();
}

#[test]
fn a_large_message_from_the_cloud_arrives_whole() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let body: Vec<u8> = (0..60_000_u32).map(|index| (index % 256) as u8).collect();
    hub.send_c2d("device", Message::new(body.clone())).unwrap();
    let (device, taken) = start(&access(&hub, &connection_string), |_| {});
    assert!(taken.recv_timeout(PATIENCE).unwrap().body == body);
    device.stop();
}
