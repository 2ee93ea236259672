//! Messages in the queue's file: over kills and restarts, for another device, and in a file that is full.

mod kills;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use local_hub::{Event, Fault, Hub};
use serde_json::json;

use crate::program::{PATIENCE, Program};
use crate::queue::{ending, number, status, stored, summary, total, wait_for_status};
use crate::support::{access, desire, hub, wait_for_reported};

/// The hub refuses the device from now on.
fn go_away(hub: &Hub, device: &str) {
    let away = Fault::RefuseConnect {
        code: 3,
        times: 10_000,
    };
    hub.inject(device, away).unwrap();
    // Some are away already.
    hub.disconnect(device);
}

/// The ids of all messages that the hub has stored.
fn ids(events: &[Event]) -> Vec<String> {
    let id = |event: &Event| event.system["message_id"].clone();
    events.iter().map(id).collect()
}

/// Arguments of a device that keeps its state in `folder`.
fn arguments<'a>(folder: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["--state", folder.to_str().unwrap()], more].concat()
}

/// The number of messages that a program has left in its file.
#[track_caller]
fn left(lines: &[String]) -> u64 {
    summary(
        lines,
        " stay in the queue's file and are sent after the next start",
    )
}

#[test]
fn what_a_program_has_in_an_outage_is_sent_after_its_restarts_each_once_and_in_order() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(folder.path(), &["--interval", "0.05"]);
    go_away(&hub, "device");
    let mut before = 0;
    for _ in 0..3 {
        let program = Program::device(&access, &arguments);
        program.wait_for("is not connected");
        std::thread::sleep(Duration::from_secs(1));
        program.terminate();
        let (ended, lines) = program.finish();
        assert!(ended.success());
        assert!(
            !lines.iter().any(|line| line.contains("stay behind")),
            "{lines:#?}"
        );
        let left = left(&lines);
        assert!(left > before, "{left} after {before}: {lines:#?}");
        before = left;
    }
    assert_eq!(hub.events().len(), 0);
    hub.clear_faults("device");
    let arguments = [&arguments[..2], &["--interval", "never"]].concat();
    let program = Program::device(&access, &arguments);
    let told = format!("queue: {before} messages of an earlier start wait to be sent");
    program.wait_for(&told);
    let enough = |events: &[Event]| events.len() as u64 >= before;
    assert!(hub.wait_for_events(PATIENCE, enough).0);
    program.terminate();
    let (ended, lines) = program.finish();
    assert!(ended.success());
    assert!(!ending(&lines).contains("queue's file"), "{lines:#?}");
    let events = hub.events();
    let ids = ids(&events);
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "none was sent twice");
    assert_eq!(ids.len() as u64, before);
    assert_eq!(summary(&lines, " messages acknowledged"), before);
    let times: Vec<&String> = events
        .iter()
        .map(|event| {
            event.properties["iothub-creation-time-utc"]
                .as_ref()
                .unwrap()
        })
        .collect();
    assert!(times.is_sorted(), "in the order of measuring: {times:?}");
}

#[test]
fn what_one_device_has_left_goes_to_the_hub_under_the_id_of_the_next() {
    let hub = hub();
    let old = hub.create_sas_device("old").unwrap();
    let new = hub
        .create_sas_device("a-new-device-with-a-longer-id")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(folder.path(), &["--interval", "0.05"]);
    go_away(&hub, "old");
    let program = Program::device(&access(&hub, &old), &arguments);
    program.wait_for("is not connected");
    std::thread::sleep(Duration::from_secs(1));
    program.terminate();
    let (_, lines) = program.finish();
    let left = left(&lines);
    assert!(left > 5, "{lines:#?}");
    let program = Program::device(&access(&hub, &new), &arguments);
    let enough = |events: &[Event]| events.len() as u64 > left;
    assert!(hub.wait_for_events(PATIENCE, enough).0);
    drop(program);
    let events = hub.events();
    for event in &events {
        assert_eq!(event.origin.device_id, "a-new-device-with-a-longer-id");
    }
    let ids = ids(&events);
    let first_life = ids[0].split('-').next().unwrap();
    let of_first = ids.iter().filter(|id| id.starts_with(first_life)).count();
    assert_eq!(of_first as u64, left);
}

#[test]
fn a_full_file_does_what_its_policy_says_and_counts_it_to_the_message() {
    for (policy, cause) in [
        ("drop-oldest", "overflowOldest"),
        ("refuse-newest", "overflowNewest"),
        ("thin-out", "thinned"),
    ] {
        let hub = hub();
        let connection_string = hub.create_sas_device("device").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let more = [
            "--queue",
            "always",
            "--queue-size",
            "16",
            "--interval",
            "0.02",
        ];
        let more = [
            &more[..],
            &["--queue-overflow", policy, "--queue-rate", "1000"],
        ]
        .concat();
        let arguments = arguments(folder.path(), &more);
        let program = Program::device(&access(&hub, &connection_string), &arguments);
        assert!(hub.wait_for_events(PATIENCE, |events| events.len() > 3).0);
        go_away(&hub, "device");
        program.wait_for(&format!("messages are dropped ({cause})"));
        hub.clear_faults("device");
        program.wait_for_times("joined", 2);
        let payload = json!({ "seconds": 0 });
        let answer = hub.invoke_method("device", "setTelemetryInterval", &payload, PATIENCE);
        assert_eq!(answer.unwrap().status, 200);
        let status = wait_for_status(&hub, "device", |status| status["queued"] == 0);
        let dropped = &status["dropped"];
        assert!(number(&dropped[cause]) > 0, "{policy}: {status:#}");
        let acknowledged = number(&status["acknowledged"]);
        assert_eq!(
            number(&status["messages"]),
            acknowledged + total(dropped),
            "{policy}"
        );
        assert_eq!(
            stored(&hub).len() as u64,
            acknowledged,
            "{policy}: each was stored once"
        );
    }
}

#[test]
fn twin_methods_and_messages_are_served_while_a_backlog_goes_out_and_a_method_erases_the_rest() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let access = access(&hub, &connection_string);
    let rate = ["--queue-rate", "1"];
    let interval = ["--interval", "0.02"];
    go_away(&hub, "device");
    let arguments = arguments(folder.path(), &[interval, rate].concat());
    let program = Program::device(&access, &arguments);
    program.wait_for("is not connected");
    std::thread::sleep(Duration::from_secs(3));
    program.terminate();
    let (_, lines) = program.finish();
    let backlog = left(&lines);
    assert!(backlog > 60, "{lines:#?}");
    hub.clear_faults("device");
    let arguments = [&arguments[..2], &rate, &["--interval", "never"]].concat();
    let program = Program::device(&access, &arguments);
    program.wait_for("joined");
    hub.send_c2d("device", local_hub::Message::new("meanwhile"))
        .unwrap();
    program.wait_for("meanwhile");
    desire(&hub, "device", json!({ "telemetryInterval": 3600 }));
    wait_for_reported(&hub, "device", |reported| {
        let is_told = reported["queuedInFlash"].is_u64() && reported["oldestQueued"].is_string();
        is_told && reported["telemetryInterval"]["av"] == 2
    });
    let answer = status(&hub, "device");
    let waiting = number(&answer["queuedInFlash"]);
    assert!(
        waiting > 10,
        "the backlog lasts longer than all of this: {answer:#}"
    );

    let answer = hub.invoke_method("device", "clearQueue", &json!(null), PATIENCE);
    assert_eq!(answer.unwrap().status, 200);
    let status = wait_for_status(&hub, "device", |status| status["queued"] == 0);
    let erased = number(&status["dropped"]["erased"]);
    assert!(erased > 0 && erased <= waiting, "{status:#}");
    let sent = number(&status["acknowledged"]);
    assert_eq!(sent + erased, number(&status["messages"]));
    assert_eq!(stored(&hub).len() as u64, sent);
    program.terminate();
    let (_, lines) = program.finish();
    let told = format!("dropped {erased}: erased {erased}");
    assert!(ending(&lines).ends_with(&told), "{told}: {lines:#?}");
}

#[test]
fn a_file_that_the_device_did_not_make_is_refused_by_the_program_with_the_remedy() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.queue");
    let target = folder.path().join("elsewhere");
    std::fs::write(&target, vec![0xff; 8192]).unwrap();
    for (link, says) in [
        (true, "it is a symbolic link"),
        (false, "the device did not write what is in it"),
    ] {
        match link {
            true => std::os::unix::fs::symlink(&target, &path).unwrap(),
            false => std::fs::rename(&target, &path).unwrap(),
        }
        for mode in ["off", "spill", "always"] {
            let arguments = arguments(folder.path(), &["--queue", mode]);
            let program = Program::device(&access(&hub, &connection_string), &arguments);
            let (ended, lines) = program.finish();
            assert_eq!(ended.code(), Some(1));
            let output = lines.join("\n");
            assert!(output.contains(says), "{output}");
            assert!(
                output.contains("move it away, or give the device another folder"),
                "{output}"
            );
        }
        if link {
            std::fs::remove_file(&path).unwrap();
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), vec![0xff; 8192]);
}

#[test]
fn two_programs_do_not_share_a_file() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(folder.path(), &[]);
    let first = Program::device(&access, &arguments);
    first.wait_for("joined");
    let (ended, lines) = Program::device(&access, &arguments).finish();
    assert_eq!(ended.code(), Some(1));
    assert!(
        lines.join("\n").contains("another program has it in use"),
        "{lines:#?}"
    );
}

#[test]
fn a_device_keeps_a_file_where_it_is_asked_for_one_and_in_no_other_place() {
    let hub = hub();
    let connection_string = hub.create_sas_device("Device..1").unwrap();
    let home = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let given = state.path().to_str().unwrap();
    let file = |name: &str, text: &str| {
        let path = state.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (string, ca) = (file("string", &connection_string), file("ca", hub.ca_pem()));
    let of_device = home
        .path()
        .join("azure-device/localhost/%44evice%2e%2e1/messages.queue");
    let of_state = state.path().join("messages.queue");
    for (more, at_home, in_state) in [
        (&[][..], false, false),
        (&["--queue", "off"], false, false),
        (&["--queue", "off", "--state", given], false, false),
        (&["--queue", "spill"], true, false),
        (&["--state", given], true, true),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_azure-device"));
        let endpoint = hub.endpoint().to_string();
        command
            .args(["device", "--connection-string-file", &string, "--ca", &ca])
            .args(["--endpoint", &endpoint])
            .args(more)
            .env("XDG_STATE_HOME", home.path());
        let program = Program::spawn(command, None);
        program.wait_for("joined");
        program.terminate();
        assert!(program.finish().0.success());
        assert_eq!(
            (of_device.exists(), of_state.exists()),
            (at_home, in_state),
            "{more:?}"
        );
    }
}
