//! Messages that wait: through an outage, over a stop, to another device id. None is lost without being counted.

use std::collections::BTreeSet;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use azure_device::report::Cause;
use local_hub::{Enrollment, Fault, Hub};
use serde_json::{Value, json};

use crate::program::{Access, PATIENCE, Program};
use crate::provisioning::{ID, by_keys, primary_key, start_with_key};
use crate::support::{access, count, hub, start, wait_for_reported};

/// Returns the device's answer to `getStatus`.
pub(crate) fn status(hub: &Hub, id: &str) -> Value {
    let answer = hub.invoke_method(id, "getStatus", &Value::Null, PATIENCE);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    answer.payload
}

/// The same, once it is as `wanted` says.
#[track_caller]
pub(crate) fn wait_for_status(hub: &Hub, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(hub, id);
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}");
        thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub(crate) fn total(dropped: &Value) -> u64 {
    dropped.as_object().unwrap().values().map(number).sum()
}

/// The numbers of all messages that the hub has stored, each once.
pub(crate) fn stored(hub: &Hub) -> BTreeSet<u64> {
    hub.events().iter().map(count).collect()
}

/// Returns the line in which the program sums up its run at the end.
#[track_caller]
pub(crate) fn ending(lines: &[String]) -> &str {
    let line = lines.iter().find(|line| line.contains("has ended: "));
    line.unwrap_or_else(|| panic!("no summary in {lines:#?}"))
}

/// The number before `text` in it.
#[track_caller]
pub(crate) fn summary(lines: &[String], text: &str) -> u64 {
    let line = ending(lines);
    let (before, _) = line.split_once(text).unwrap_or_else(|| panic!("{line}"));
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_overflows_in_an_outage_is_counted_to_the_message_in_twin_status_and_summary() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    // Some thousand messages fit the queue; these are five hundred a second.
    let arguments = ["--interval", "0.002"];
    let program = Program::device(&access(&hub, &connection_string), &arguments);
    wait_for_reported(&hub, "device", |reported| reported["dropped"].is_object());
    let away = Fault::RefuseConnect {
        code: 3,
        times: 1000,
    };
    hub.inject("device", away).unwrap();
    hub.inject("device", Fault::DropConnection).unwrap();
    program.wait_for("messages are dropped (overflowOldest)");
    hub.clear_faults("device");
    program.wait_for_times("joined", 2);

    // From now on on request only: the queue empties.
    let payload = json!({ "seconds": 0 });
    let answer = hub.invoke_method("device", "setTelemetryInterval", &payload, PATIENCE);
    assert_eq!(answer.unwrap().status, 200);
    let status = wait_for_status(&hub, "device", |status| status["queued"] == 0);
    let dropped = &status["dropped"];
    assert!(number(&dropped["overflowOldest"]) > 0, "{status:#}");
    let acknowledged = number(&status["acknowledged"]);
    assert_eq!(number(&status["messages"]), acknowledged + total(dropped));
    let stored = stored(&hub);
    assert_eq!(stored.len() as u64, acknowledged, "each was stored once");
    let produced = number(&status["messages"]);
    let missing = (1..=produced).filter(|count| !stored.contains(count));
    assert_eq!(
        missing.count() as u64,
        total(dropped),
        "what is missing was counted"
    );

    program.wait_for("no more messages are dropped; dropped were ");
    wait_for_reported(&hub, "device", |reported| reported["dropped"] == *dropped);
    program.interrupt();
    let (ended, lines) = program.finish();
    assert!(ended.success());
    assert_eq!(summary(&lines, " messages acknowledged"), acknowledged);
    let told = format!(
        "dropped {}: overflowOldest {}",
        total(dropped),
        dropped["overflowOldest"]
    );
    assert!(
        lines.iter().any(|line| line.contains(&told)),
        "{told} in {lines:#?}"
    );
    let begun = lines
        .iter()
        .filter(|line| line.contains("messages are dropped (overflowOldest)"));
    assert_eq!(begun.count(), 1, "one line when it begins: {lines:#?}");
}

/// A program with two hundred messages in its queue, on a live connection whose hub acknowledges slowly.
fn with_a_queue(hub: &Hub, access: &Access<'_>, arguments: &[&str]) -> Program {
    let arguments = [&["--interval", "0.01"], arguments].concat();
    let program = Program::device(access, &arguments);
    assert!(hub.wait_for_events(PATIENCE, |events| events.len() > 3).0);
    hub.inject("device", Fault::DelayPuback { milliseconds: 1000 })
        .unwrap();
    wait_for_status(hub, "device", |status| number(&status["queued"]) >= 200);
    program
}

#[cfg(unix)]
#[test]
fn a_program_that_is_terminated_with_two_hundred_messages_in_its_queue_delivers_them_all() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let program = with_a_queue(
        &hub,
        &access(&hub, &connection_string),
        &["--stop-timeout", "80"],
    );
    hub.clear_faults("device");
    program.terminate();
    program.wait_for("stopping: sending ");
    let (ended, lines) = program.finish();
    assert!(ended.success());
    assert!(
        !lines.iter().any(|line| line.contains("stay behind")),
        "{lines:#?}"
    );
    let stored = stored(&hub);
    assert_eq!(
        summary(&lines, " messages acknowledged"),
        stored.len() as u64
    );
    // What was never measured, on a busy machine, is told.
    let missing = stored.last().unwrap() - stored.len() as u64;
    let told = match missing {
        0 => "none dropped".to_owned(),
        missing => format!("dropped {missing}: notSampled {missing}"),
    };
    assert!(ending(&lines).ends_with(&told), "{told}: {lines:#?}");
}

#[cfg(unix)]
#[test]
fn a_program_without_the_time_to_send_its_queue_says_how_many_messages_stay_behind() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let program = with_a_queue(
        &hub,
        &access(&hub, &connection_string),
        &["--stop-timeout", "0"],
    );
    program.terminate();
    let (ended, lines) = program.finish();
    assert!(ended.success());
    let line = lines
        .iter()
        .find(|line| line.contains("messages stay behind"))
        .unwrap();
    let (before, _) = line.split_once(" messages stay behind").unwrap();
    let left: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(left >= 200, "{line}");
    let told = format!("leftBehind {left}");
    assert!(ending(&lines).ends_with(&told), "{told}: {lines:#?}");
}

#[test]
fn queued_messages_reach_the_hub_under_the_id_that_the_device_is_given_anew() {
    let hub = hub();
    let enrollment = Enrollment {
        device_id: Some("pump-7".into()),
        retry_after: 0,
        ..by_keys()
    };
    let enrollment = hub.enroll(ID, enrollment).unwrap();
    let device = start_with_key(&hub, &primary_key(&enrollment));
    assert!(hub.wait_for_events(PATIENCE, |events| events.len() > 3).0);

    // The hub forgets it, and the service knows it by another name from now on.
    let device_id = Some("a-pump-with-a-longer-name-8".into());
    let renamed = Enrollment {
        device_id,
        ..enrollment.clone()
    };
    hub.enroll(ID, renamed).unwrap();
    hub.delete_device("pump-7").unwrap();
    let arrived = |events: &[local_hub::Event]| {
        let new = events
            .iter()
            .filter(|event| event.origin.device_id.ends_with("-8"));
        new.count() > 30
    };
    assert!(
        hub.wait_for_events(PATIENCE, arrived).0,
        "{:?}",
        hub.closes()
    );
    let report = device.stop();
    assert_eq!(report.dropped.of(Cause::Reprovisioned), 0);
    let counts: BTreeSet<u64> = hub.events().iter().map(count).collect();
    let missing = counts.last().unwrap() - counts.len() as u64;
    assert_eq!(missing, report.dropped.total(), "{report:?}");
    assert_eq!(missing, u64::from(report.dropped.of(Cause::NotSampled)));
}

/// A way to the hub that can stall: connections are accepted, and go on once it no longer does.
struct Relay {
    address: SocketAddr,
    stalls: Arc<AtomicBool>,
}

impl Relay {
    fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stalls = Arc::<AtomicBool>::default();
        let stalled = stalls.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                let stalled = stalled.clone();
                thread::spawn(move || {
                    while stalled.load(Ordering::Acquire) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    let hub = TcpStream::connect(hub).unwrap();
                    let (from, to) = (device.try_clone().unwrap(), hub.try_clone().unwrap());
                    let back = thread::spawn(move || pass(&to, &from));
                    pass(&device, &hub);
                    back.join().unwrap();
                });
            }
        });
        Self { address, stalls }
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_device_goes_on_measuring_while_its_connection_takes_seconds_to_open() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let relay = Relay::to(hub.endpoint());
    let access = Access {
        endpoint: relay.address.to_string(),
        ..access(&hub, &connection_string)
    };
    let (device, _taken) = start(&access, |_| {});
    assert!(hub.wait_for_events(PATIENCE, |events| events.len() > 3).0);
    relay.stalls.store(true, Ordering::Release);
    hub.inject("device", Fault::DropConnection).unwrap();
    assert!(hub.wait_connected("device", false, PATIENCE));
    let before = hub.events().len();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(hub.events().len(), before, "nothing passes the relay");
    relay.stalls.store(false, Ordering::Release);
    // Fifty fell due meanwhile. On a machine that is too busy for half of them, the others are counted.
    let enough = |events: &[local_hub::Event]| events.len() > before + 60;
    assert!(hub.wait_for_events(PATIENCE, enough).0);
    let report = device.stop();
    let stored = stored(&hub);
    let missing = stored.last().unwrap() - stored.len() as u64;
    assert_eq!(missing, u64::from(report.dropped.of(Cause::NotSampled)));
    assert!(missing < 25, "{report:?}");
}
