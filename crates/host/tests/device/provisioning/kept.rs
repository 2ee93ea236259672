//! An assignment is kept, used again, and dropped when the hub refuses the device.

use std::path::Path;
use std::time::{Duration, Instant};

use local_hub::{Enrollment, Hub};
use serde_json::json;

use super::{
    Device, ID, assert_sends, by_keys, enroll, enroll_at_once, primary_key, start_with_key,
};
use crate::program::PATIENCE;
use crate::support::hub;

/// Number of ended connections of the registration `ID`.
fn registrations(hub: &Hub) -> usize {
    let closes = hub.closes();
    closes
        .iter()
        .filter(|close| close.client_id.as_deref() == Some(ID))
        .count()
}

#[test]
fn a_kept_assignment_is_used_after_a_restart_without_a_question_to_the_service() {
    let hub = hub();
    let payload = json!({ "site": "north" });
    let enrollment = Enrollment {
        device_id: Some("Pump-7".into()),
        payload: Some(payload.clone()),
        retry_after: 0,
        ..by_keys()
    };
    let key = enroll(&hub, enrollment);
    let device = Device::with_key(&hub, &key);
    device.start(&[]).wait_for("joined localhost as Pump-7");
    assert_eq!(registrations(&hub), 1);
    assert_no_secret(&device.state(), &key);

    // Now the service would refuse.
    hub.remove_enrollment(ID).unwrap();
    let program = device.start(&[]);
    program.wait_for("using the kept assignment to localhost as Pump-7");
    program.wait_for(&format!("allocation gave {payload}"));
    program.wait_for("joined localhost as Pump-7");
    assert_eq!(registrations(&hub), 1);
    drop(program);

    // Whoever wants to know better asks.
    let program = device.start(&["--reprovision"]);
    program.wait_for("there is no enrolment for this registration id");
}

#[track_caller]
fn assert_no_secret(folder: &Path, key: &str) {
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        files.len(),
        4,
        "an assignment, its payload, the number of starts, and the queue: {files:?}"
    );
    for file in files {
        let bytes = std::fs::read(file.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(key.trim_end_matches('=')));
    }
}

#[test]
fn a_kept_assignment_of_another_registration_is_not_used() {
    let hub = hub();
    let enrollment = Enrollment {
        retry_after: 0,
        ..by_keys()
    };
    let enrollment = hub.enroll(ID, enrollment).unwrap();
    let mut device = Device::with_key(&hub, &primary_key(&enrollment));
    device.start(&[]).wait_for("joined localhost as dev-01");
    hub.enroll("dev-02", enrollment).unwrap();
    let id = device.arguments.iter_mut().find(|argument| *argument == ID);
    *id.unwrap() = "dev-02".into();
    let program = device.start(&[]);
    program.wait_for("the kept assignment is for another id scope or registration id");
    program.wait_for("assigned to localhost as dev-02");
}

#[test]
fn a_device_that_its_hub_refuses_again_and_again_asks_the_service_anew() {
    let hub = hub();
    let key = enroll_at_once(&hub);
    let device = start_with_key(&hub, &key);
    assert!(hub.wait_connected(ID, true, PATIENCE));
    assert_sends(&hub, ID);
    // The hub forgets it, and the service enters it again.
    hub.delete_device(ID).unwrap();
    let start = Instant::now();
    while hub.device(ID).is_err() {
        assert!(start.elapsed() < PATIENCE, "{:?}", hub.closes());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(hub.wait_connected(ID, true, PATIENCE));
    let refused = hub
        .closes()
        .into_iter()
        .filter(|close| close.reason.contains("there is no device"));
    assert_eq!(refused.count(), 3, "{:?}", hub.closes());
    device.stop();
}
