//! Each end without a hub, provoked, with the message that the person in front of the device sees.

use local_hub::Enrollment;

use super::{Device, ID, OTHER_KEY, by_keys, enroll};
use crate::authority::Certified;
use crate::support::hub;

#[test]
fn a_disabled_enrolment_says_so() {
    let hub = hub();
    let enrollment = Enrollment {
        status: local_hub::Status::Disabled,
        ..by_keys()
    };
    let message = Device::with_key(&hub, &enroll(&hub, enrollment)).failure();
    let expected = "provisioning: the enrolment is disabled; enable it in the provisioning service";
    assert_eq!(message, expected);
}

#[test]
fn a_failed_allocation_says_so_with_its_code() {
    let hub = hub();
    let enrollment = Enrollment {
        failure: Some((400_207, "Custom allocation failed".into())),
        ..by_keys()
    };
    let message = Device::with_key(&hub, &enroll(&hub, enrollment)).failure();
    let expected = "provisioning: no hub could be allocated (400207); check ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_wrong_key_says_so() {
    let hub = hub();
    enroll(&hub, by_keys());
    let message = Device::with_key(&hub, OTHER_KEY).failure();
    let expected = "provisioning: the service refused the key or certificate (401002); check ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_registration_that_nobody_enrolled_says_so() {
    let hub = hub();
    let message = Device::with_key(&hub, OTHER_KEY).failure();
    let expected =
        "provisioning: there is no enrolment for this registration id (404201); create one";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_wrong_id_scope_is_told_by_the_connack() {
    let hub = hub();
    let mut device = Device::new(&hub);
    device.options(&["--id-scope", "0ne00000000", "--registration-id", ID]);
    device.file("--symmetric-key-file", &enroll(&hub, by_keys()));
    let message = device.failure();
    let expected =
        "CONNACK 5: not authorized; check the id scope and the registration id, that the key";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_certificate_for_another_name_is_told_by_the_connack() {
    let hub = hub();
    let other = Certified::self_signed("dev-02");
    let message = Device::with_certificate(&hub, &other.pem(), &other.key_pem()).failure();
    assert!(
        message.starts_with("CONNACK 5: not authorized; check the id scope"),
        "{message}"
    );
    assert!(
        message.contains("has the registration id as CN"),
        "{message}"
    );
}

#[test]
fn a_busy_service_is_asked_again_on_the_same_connection() {
    for status in [429, 500] {
        let hub = hub();
        let enrollment = Enrollment {
            retry_after: 0,
            ..by_keys()
        };
        let device = Device::with_key(&hub, &enroll(&hub, enrollment));
        hub.fail_registration(ID, status, 2).unwrap();
        let program = device.start(&[]);
        program.wait_for_times(&format!("the service is busy ({status})"), 2);
        program.wait_for("joined localhost as dev-01");
        let output = program.lines().join("\n");
        assert!(!output.contains(" ERROR "), "{output}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_device_that_is_being_provisioned() {
    let hub = hub();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let assigning = Enrollment {
        assigning: 1000,
        ..by_keys()
    };
    let mut device = Device::with_key(&hub, &enroll(&hub, assigning));
    for (endpoint, when) in [
        (silent.local_addr().unwrap(), "TCP connected"),
        (hub.endpoint(), "is assigning a hub"),
    ] {
        let at = device
            .arguments
            .iter()
            .position(|a| a == "--provisioning-endpoint");
        device.arguments[at.unwrap() + 1] = endpoint.to_string();
        let program = device.start(&["-v"]);
        program.wait_for(when);
        program.interrupt();
        let (status, lines) = program.finish();
        assert!(status.success(), "{lines:?}");
        assert!(!lines.join("\n").contains(" ERROR "), "{lines:?}");
    }
}
