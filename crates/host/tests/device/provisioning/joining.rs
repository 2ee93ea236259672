//! Each kind of enrolment leads to a hub.

use std::time::{Duration, Instant};

use local_hub::{Attestation, Enrollment};
use serde_json::json;

use super::{Device, ID, assert_sends, by_keys, enroll, enroll_at_once, primary_key};
use crate::authority::{Authority, Certified};
use crate::support::hub;

#[test]
fn an_individual_with_a_key_joins_the_hub_under_the_assigned_device_id() {
    let hub = hub();
    let enrollment = Enrollment {
        device_id: Some("Pump-7".into()),
        payload: Some(json!({ "site": "north" })),
        retry_after: 0,
        ..by_keys()
    };
    let mut device = Device::with_key(&hub, &enroll(&hub, enrollment));
    device.options(&["--payload", r#"{"model":"x"}"#]);
    let program = device.start(&[]);
    program.wait_for("provisioning: assigned to localhost as Pump-7");
    program.wait_for(r#"the provisioning service's allocation gave {"site":"north"}"#);
    program.wait_for("joined localhost as Pump-7");
    assert_sends(&hub, "Pump-7");
}

#[test]
fn a_member_of_a_group_derives_its_key_from_the_groups() {
    let hub = hub();
    let group = hub
        .enroll_group(
            "line-3",
            Enrollment {
                retry_after: 0,
                ..by_keys()
            },
        )
        .unwrap();
    let mut device = Device::new(&hub);
    device.options(&["--id-scope", hub.id_scope(), "--registration-id", "Dev-01"]);
    device.file("--group-key-file", &primary_key(&group));
    let program = device.start(&[]);
    program.wait_for("joined localhost as dev-01");
    assert_sends(&hub, ID);
}

#[test]
fn an_individual_with_a_certificate_shows_it_to_the_service_and_to_the_hub() {
    let hub = hub();
    let made = Certified::self_signed(ID);
    let attestation = Attestation::X509Thumbprint {
        thumbprint: made.thumbprint(),
    };
    hub.enroll(
        ID,
        Enrollment {
            retry_after: 0,
            ..Enrollment::new(attestation)
        },
    )
    .unwrap();
    let device = Device::with_certificate(&hub, &made.pem(), &made.key_pem());
    let program = device.start(&[]);
    program.wait_for("joined localhost as dev-01");
    assert_sends(&hub, ID);
}

#[test]
fn a_member_of_a_group_by_certificate_sends_its_chain_along() {
    let hub = hub();
    let root = Authority::new("Factory Root");
    let line = root.intermediate("Line 3");
    let made = line.issue(ID);
    let attestation = Attestation::X509Ca {
        certificate: root.pem(),
    };
    let enrollment = Enrollment {
        retry_after: 0,
        ..Enrollment::new(attestation)
    };
    hub.enroll_group("line-3", enrollment).unwrap();

    let alone = Device::with_certificate(&hub, &made.pem(), &made.key_pem());
    let message = alone.failure();
    assert!(
        message.contains("refused the key or certificate (401002)"),
        "{message}"
    );

    let chain = format!("{}{}", made.pem(), line.pem());
    let device = Device::with_certificate(&hub, &chain, &made.key_pem());
    let program = device.start(&[]);
    program.wait_for("joined localhost as dev-01");
    assert_sends(&hub, ID);
}

#[test]
fn a_service_that_is_assigning_is_asked_again_after_the_time_it_names() {
    let hub = hub();
    let enrollment = Enrollment {
        assigning: 2,
        retry_after: 2,
        ..by_keys()
    };
    let device = Device::with_key(&hub, &enroll(&hub, enrollment));
    let start = Instant::now();
    let program = device.start(&[]);
    program.wait_for("provisioning: assigned to localhost");
    assert!(
        start.elapsed() >= Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    let asked = program.lines();
    let asked = asked
        .iter()
        .filter(|line| line.contains("is assigning a hub"))
        .count();
    assert_eq!(asked, 3);
    program.wait_for("joined");
}

#[test]
fn provisioning_at_trace_level_prints_no_key() {
    let hub = hub();
    let key = enroll_at_once(&hub);
    let device = Device::with_key(&hub, &key);
    let program = device.start(&["-vv"]);
    program.wait_for("joined localhost as dev-01");
    let output = program.lines().join("\n");
    // It was talkative indeed.
    assert!(output.contains("TRACE"));
    assert!(
        !output.contains(key.trim_end_matches('=')),
        "the key is in the output"
    );
    assert!(
        !output.contains("SharedAccessSignature sr="),
        "a token is in the output"
    );
}
