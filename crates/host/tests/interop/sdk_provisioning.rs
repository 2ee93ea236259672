//! Microsoft's device SDK for Python (`azure-iot-device`) against the local hub's provisioning service.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use local_hub::{Attestation, Authentication, DeviceCertificate, Enrollment, SymmetricKeys};
use serde_json::{Value, json};

use crate::peers::{SDK, trials, workspace};
use crate::sdk::World;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iot-device",
        SDK,
        a_registration_with_a_symmetric_key_is_assigned_after_several_questions,
        a_registration_with_a_certificate_is_assigned,
        a_member_of_a_group_is_assigned,
        a_registration_that_is_refused_is_an_error_for_the_sdk,
    )
}

fn by_keys() -> Enrollment {
    Enrollment::new(Attestation::SymmetricKey(SymmetricKeys::generated()))
}

#[track_caller]
fn key(enrollment: &Enrollment) -> String {
    match &enrollment.attestation {
        Attestation::SymmetricKey(keys) => keys.primary_key.clone(),
        other => panic!("{other:?}"),
    }
}

/// Registers with what `who` says beside the address; gives what came of it.
#[track_caller]
fn register(
    python: &Path,
    world: &World,
    id: &str,
    mut who: Value,
    certificate: Option<&DeviceCertificate>,
) -> Value {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        json!(path)
    };
    who["id_scope"] = json!(world.hub.id_scope());
    who["registration_id"] = json!(id);
    who["ca"] = file("ca.pem", world.hub.ca_pem());
    if let Some(made) = certificate {
        who["certificate"] = file("certificate.pem", &made.certificate_pem);
        who["key_file"] = file("key.pem", &made.key_pem);
    }
    let mut child = Command::new(python)
        .arg(workspace().join("tests/interop/sdk_provisioning.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(who.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn a_registration_with_a_symmetric_key_is_assigned_after_several_questions(python: &Path) {
    let world = World::new();
    let enrollment = Enrollment {
        device_id: Some("Pump-7".into()),
        assigning: 2,
        retry_after: 1,
        payload: Some(json!({ "site": "north" })),
        ..by_keys()
    };
    let enrollment = world.hub.enroll("dev-01", enrollment).unwrap();
    let who = json!({ "key": key(&enrollment), "payload": { "model": "x" } });
    let state = register(python, &world, "dev-01", who, None);
    let expected = json!({
        "status": "assigned",
        "hub": "localhost",
        "device": "Pump-7",
        "substatus": "initialAssignment",
        "payload": { "site": "north" },
    });
    assert_eq!(state, expected);
    assert!(world.hub.device("Pump-7").is_ok());
}

fn a_registration_with_a_certificate_is_assigned(python: &Path) {
    let world = World::new();
    let made = world.hub.create_x509_device("dev-02").unwrap();
    let Authentication::X509Thumbprint { primary, .. } =
        world.hub.device("dev-02").unwrap().authentication
    else {
        panic!("registered by thumbprint");
    };
    world.hub.delete_device("dev-02").unwrap();
    let attestation = Attestation::X509Thumbprint {
        thumbprint: primary.unwrap(),
    };
    world
        .hub
        .enroll("dev-02", Enrollment::new(attestation))
        .unwrap();
    let state = register(python, &world, "dev-02", json!({}), Some(&made));
    assert_eq!(
        (&state["status"], &state["device"]),
        (&json!("assigned"), &json!("dev-02"))
    );
}

fn a_member_of_a_group_is_assigned(python: &Path) {
    let world = World::new();
    // Microsoft's published example: this key of the group gives that one of the registration.
    let group =
        "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
    let keys = SymmetricKeys {
        primary_key: group.into(),
        secondary_key: String::new(),
    };
    let enrollment = Enrollment::new(Attestation::SymmetricKey(keys));
    world.hub.enroll_group("line-3", enrollment).unwrap();
    let id = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";
    let who = json!({ "key": "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=" });
    let state = register(python, &world, id, who, None);
    assert_eq!(
        (&state["status"], &state["device"]),
        (&json!("assigned"), &json!(id))
    );
}

fn a_registration_that_is_refused_is_an_error_for_the_sdk(python: &Path) {
    let world = World::new();
    world.hub.enroll("good", by_keys()).unwrap();
    let who = json!({ "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" });
    let refused = register(python, &world, "good", who, None);
    let causes = refused["causes"].to_string();
    assert!(causes.contains("status code 401"), "{causes}");
    assert!(world.hub.device("good").is_err());
}
