//! `local-hub` in the words of `az`: enrolments. What was written for `az iot` works with the program's name exchanged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::program::{Serve, fail, succeed, value};
use serde_json::json;

fn dps<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["dps"], arguments].concat()
}

#[test]
fn enrolments_are_managed_in_the_words_of_az_with_the_keys_where_it_has_them() {
    const KEY: &str = "attestation.symmetricKey.primaryKey";
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    let scope = succeed(state, &dps(&["id-scope"]));
    let query = [
        "show",
        "-n",
        "dps",
        "--query",
        "properties.idScope",
        "-o",
        "tsv",
    ];
    assert_eq!(succeed(state, &dps(&query)), scope);

    let create = [
        "enrollment",
        "create",
        "--eid",
        "r",
        "--at",
        "symmetricKey",
        "--device-id",
        "of-r",
    ];
    let made = value(state, &dps(&create));
    assert_eq!(
        (&made["registrationId"], &made["deviceId"]),
        (&json!("r"), &json!("of-r"))
    );
    assert_eq!(made["provisioningStatus"], "enabled");
    let show = [
        "enrollment",
        "show",
        "--eid",
        "r",
        "--show-keys",
        "--query",
        KEY,
        "-o",
        "tsv",
    ];
    let key = succeed(state, &dps(&show));
    assert_eq!(made["attestation"]["symmetricKey"]["primaryKey"], key);
    let hidden = value(state, &dps(&["enrollment", "show", "--eid", "r"]));
    assert_eq!(hidden["attestation"], json!({"type": "symmetricKey"}));
    let update = [
        "enrollment",
        "update",
        "--eid",
        "r",
        "--provisioning-status",
        "disabled",
    ];
    let updated = value(state, &dps(&update));
    assert_eq!(updated["provisioningStatus"], "disabled");
    assert_eq!(
        (&updated["deviceId"], &updated["attestation"]),
        (&json!("of-r"), &made["attestation"])
    );
    assert!(fail(state, &dps(&create)).contains("already"));
    succeed(state, &dps(&["enrollment", "delete", "--eid", "r"]));
    assert!(
        fail(state, &dps(&["enrollment", "show", "--eid", "r"])).contains("there is no enrolment")
    );

    let group = [
        "enrollment-group",
        "create",
        "--gid",
        "fleet",
        "--at",
        "symmetricKey",
    ];
    let group = value(state, &dps(&group));
    assert_eq!(group["enrollmentGroupId"], "fleet");
    let certificate = state.join("ca.pem");
    let x509 = [
        "enrollment-group",
        "create",
        "--gid",
        "signed",
        "--cp",
        certificate.to_str().unwrap(),
    ];
    let signed = value(state, &dps(&x509));
    let pem = &signed["attestation"]["x509"]["signingCertificates"]["primary"]["certificate"];
    assert_eq!(*pem, std::fs::read_to_string(&certificate).unwrap());
    succeed(
        state,
        &dps(&["enrollment-group", "delete", "--gid", "signed"]),
    );
    let ids = |kind: &str, member: &str| {
        let query = format!("[].{member}");
        succeed(state, &dps(&[kind, "list", "--query", &query, "-o", "tsv"]))
    };
    assert_eq!(ids("enrollment", "registrationId"), "");
    assert_eq!(ids("enrollment-group", "enrollmentGroupId"), "fleet");
    // The program's own words have the keys there too.
    let own = value(state, &dps(&["enroll", "own"]));
    assert!(own["attestation"]["symmetricKey"]["primaryKey"].is_string());
    assert_eq!(ids("enrollment", "registrationId"), "own");
    let listed = value(state, &dps(&["enrollment", "list", "--show-keys"]));
    assert_eq!(listed, json!([own]));
    let hidden = value(state, &dps(&["enrollment", "list"]));
    assert_eq!(hidden[0]["attestation"], json!({"type": "symmetricKey"}));
    for (wrong, complaint) in [
        (
            &["enrollment", "create", "--eid", "w"][..],
            "--attestation-type",
        ),
        (
            &["enrollment", "create", "--eid", "w", "--at", "x509"],
            "--certificate-path",
        ),
        (
            &[
                "enrollment",
                "create",
                "--eid",
                "w",
                "--at",
                "symmetricKey",
                "--cp",
                "f",
            ],
            "x509",
        ),
        (
            &[
                "enrollment-group",
                "create",
                "--gid",
                "w",
                "--at",
                "symmetricKey",
                "--device-id",
                "d",
            ],
            "own ids",
        ),
    ] {
        let told = fail(state, &dps(wrong));
        assert!(told.contains(complaint), "{wrong:?}: {told}");
    }
}
