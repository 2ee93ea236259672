//! Whatever the program prints, it prints no secret.

use azure_device::identity::SharedAccessKey;
use local_hub::{Event, Hub};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::program::{Access, PATIENCE, Program};
use crate::support::{access, hub, x509_access};

/// Runs a device at the most talkative level through lost connections; gives its output.
fn most_talkative_session(hub: &Hub, access: &Access<'_>) -> String {
    let arguments = [
        "-vv",
        "--interval",
        "0.1",
        "--model-id",
        "dtmi:com:example:Thing;1",
    ];
    let program = Program::device(access, &arguments);
    // Each connection is with a token of its own.
    program.wait_for("joined");
    for joined in 2..=3 {
        assert!(hub.disconnect("device"));
        program.wait_for_times("joined", joined);
    }
    let stored = hub.wait_for_events(PATIENCE, |events| {
        events.iter().any(|event: &Event| !event.body.is_empty())
    });
    assert!(stored.0);
    drop_after_output(program)
}

fn drop_after_output(program: Program) -> String {
    let output = program.lines().join("\n");
    // It was talkative indeed.
    for part in ["TRACE", "rustls", "mio", "DEBUG"] {
        assert!(output.contains(part), "nothing of {part}");
    }
    output
}

/// The bytes in every form in which a program would print them by accident.
fn forms(bytes: &[u8]) -> [String; 5] {
    let hex = |separator: &str| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(separator)
    };
    let debug = format!("{bytes:?}");
    let decimals = debug.trim_matches(['[', ']']).to_owned();
    [hex(""), hex(" "), hex(":"), hex(", "), decimals]
}

#[track_caller]
fn assert_absent(output: &str, secret: &str) {
    if let Some(line) = line_of(output, secret) {
        panic!("a secret is in line {line} of the output");
    }
}

fn line_of(output: &str, secret: &str) -> Option<usize> {
    assert!(
        secret.len() >= 16,
        "{} characters are found anywhere",
        secret.len()
    );
    let folded = output.to_lowercase();
    let at = folded.find(&secret.to_lowercase())?;
    Some(folded[..=at].lines().count())
}

#[test]
fn the_search_finds_secrets_in_every_form() {
    let secret = b"a secret of some length";
    let upper = forms(secret)[0].to_uppercase();
    for shown in [format!("{secret:?}"), format!("{secret:02x?}"), upper] {
        let output = format!("first\n> {shown} <\nlast");
        let found = forms(secret).iter().find_map(|form| line_of(&output, form));
        assert_eq!(found, Some(2), "{output}");
    }
}

#[test]
fn a_session_at_trace_level_prints_no_key_and_no_signature() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let output = most_talkative_session(&hub, &access(&hub, &connection_string));
    let key = connection_string.split_once("SharedAccessKey=").unwrap().1;
    assert_absent(&output, key);
    assert_absent(&output, key.trim_end_matches('='));
    let bytes = SharedAccessKey::from_base64(key).unwrap();
    for form in forms(bytes.expose()) {
        assert_absent(&output, &form);
    }
    // A token, as text or as the bytes of a packet: its fixed part stands before every signature.
    assert_absent(&output, "SharedAccessSignature sr=");
    for form in forms(b"SharedAccessSignature sr=") {
        assert_absent(&output, &form);
    }
    assert!(!output.contains("sig="), "a signature may be in the output");
}

#[test]
fn a_session_at_trace_level_prints_no_private_key() {
    let hub = hub();
    let device = hub.create_x509_device("device").unwrap();
    let program = Program::device(&x509_access(&hub, &device), &["-vv", "--interval", "0.1"]);
    program.wait_for("joined");
    let (stored, _) = hub.wait_for_events(PATIENCE, |events| events.len() > 2);
    assert!(stored);
    let output = drop_after_output(program);
    let body = device
        .key_pem
        .lines()
        .filter(|line| !line.starts_with("-----"));
    body.filter(|line| line.len() >= 16)
        .for_each(|line| assert_absent(&output, line));
    let key = PrivateKeyDer::from_pem_slice(device.key_pem.as_bytes()).unwrap();
    for part in key.secret_der().chunks_exact(16) {
        for form in forms(part) {
            assert_absent(&output, &form);
        }
    }
    assert!(!output.contains("PRIVATE KEY"));
}

#[test]
fn a_connection_string_that_is_wrong_is_not_repeated() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for text in [
        format!("HostName=localhost;DeviceId=no spaces;SharedAccessKey={key}"),
        format!("HostName=localhost;SharedAccessKey={key}"),
        format!("HostName=localhost;DeviceId=device;SharedAccessKey={key}{key}!"),
        format!("{key};HostName=localhost"),
        key.to_owned(),
    ] {
        let (status, lines) =
            Program::start(&["-vv", "device", "--connection-string", &text]).finish();
        assert_eq!(status.code(), Some(1), "{lines:?}");
        let output = lines.join("\n");
        assert!(
            output.starts_with("azure-device: --connection-string: "),
            "{output}"
        );
        assert_absent(&output, &key[..43]);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated_and_its_place_is_named() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let text = format!("HostName=localhost;DeviceId=device;SharedAccessKey={key}");
    let variable = "AZURE_IOT_HUB_CONNECTION_STRING";
    for (arguments, remedy) in [
        (vec!["device", &text], variable),
        (vec![&*text], variable),
        (vec!["device", "--connection-string-file", &text], variable),
        (
            vec!["device", "--certificate", &text, "--key", "x"],
            variable,
        ),
        (
            vec!["device", "--id-scope", key, "--registration-id", "d"],
            "--symmetric-key-file",
        ),
        (
            vec!["device", "--id-scope", "0ne0", "--registration-id", key],
            "--symmetric-key-file",
        ),
        (
            vec![
                "device",
                "--id-scope",
                "0ne0",
                "--registration-id",
                "d",
                "--payload",
                key,
            ],
            "--symmetric-key-file",
        ),
        (
            vec![
                "device",
                "--id-scope",
                "0ne0",
                "--registration-id",
                "d",
                "--symmetric-key-file",
                key,
            ],
            "--symmetric-key-file",
        ),
        (
            vec![
                "device",
                "--id-scope",
                "0ne0",
                "--registration-id",
                "d",
                "--state",
                key,
            ],
            "--symmetric-key-file",
        ),
    ] {
        let (status, lines) = Program::start(&arguments).finish();
        let output = lines.join("\n");
        assert_absent(&output, &key[..43]);
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains(remedy), "{output}");
    }
}
