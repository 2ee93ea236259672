//! Options of provisioning: those that are needed, those that exclude each other, and sources of keys.

use std::process::Command;

use super::{Device, ID, OTHER_KEY, enroll_at_once};
use crate::program::Program;
use crate::support::hub;

#[test]
fn a_key_may_come_from_the_environment_and_the_state_lies_with_the_users() {
    let hub = hub();
    let key = enroll_at_once(&hub);
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, hub.ca_pem()).unwrap();
    let endpoint = hub.endpoint().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azure-device"));
    command.args([
        "device",
        "--id-scope",
        hub.id_scope(),
        "--registration-id",
        ID,
    ]);
    command.args([
        "--provisioning-host",
        "localhost",
        "--provisioning-endpoint",
        &endpoint,
    ]);
    command.args(["--endpoint", &endpoint, "--ca", ca.to_str().unwrap()]);
    command
        .env_remove("RUST_LOG")
        .env("XDG_STATE_HOME", home.path());
    command.env("AZURE_DPS_SYMMETRIC_KEY", &key);
    Program::spawn(command, None).wait_for("joined localhost as dev-01");
    let kept = home
        .path()
        .join("azure-device")
        .join(hub.id_scope())
        .join(ID);
    // What follows is its checksum.
    let kept = std::fs::read(kept.join("assignment.value")).unwrap();
    let expected = format!("{}\n{ID}\nlocalhost\n{ID}\n", hub.id_scope());
    assert_eq!(
        kept.strip_suffix(&kept[kept.len() - 4..]),
        Some(expected.as_bytes())
    );
}

#[test]
fn a_registration_needs_all_that_belongs_to_it_and_nothing_else() {
    let scope = ["device", "--id-scope", "0ne00ABCDEF"];
    let both = [&scope[..], &["--registration-id", ID]].concat();
    for (more, code, says) in [
        (&scope[..], 2, "--registration-id <ID>"),
        (&["device", "--registration-id", ID], 2, "--id-scope <ID>"),
        (&["device", "--reprovision"], 2, "--id-scope <ID>"),
        (&both, 1, "give its key with --symmetric-key-file"),
        (
            &[&both[..], &["--connection-string", "x"]].concat(),
            2,
            "--connection-string",
        ),
        (
            &[&both[..], &["--payload", "{"]].concat(),
            2,
            "--payload <JSON> is not valid: the JSON text ends",
        ),
        (
            &[&both[..], &["--symmetric-key-file", "no-such"]].concat(),
            1,
            "symmetric key file no-such",
        ),
        (
            &[
                &both[..],
                &["--symmetric-key-file", "a", "--group-key-file", "b"],
            ]
            .concat(),
            2,
            "--group-key-file",
        ),
        (
            &[&scope[..], &["--registration-id", "a b"]].concat(),
            2,
            "looks like 0ne00ABCDEF",
        ),
    ] {
        let (status, lines) = Program::start(more).finish();
        let output = lines.join("\n");
        assert_eq!(status.code(), Some(code), "{more:?}: {output}");
        assert!(output.contains(says), "{more:?}: {output}");
    }
}

#[test]
fn a_key_that_is_wrong_is_not_repeated() {
    let hub = hub();
    let key = format!("{OTHER_KEY}!");
    let (status, lines) = Device::with_key(&hub, &key).start(&["-vv"]).finish();
    let output = lines.join("\n");
    assert_eq!(status.code(), Some(1));
    assert!(
        output.contains("the symmetric key is not base64"),
        "{output}"
    );
    assert!(!output.contains(&key[..40]), "a key is in the output");
}
