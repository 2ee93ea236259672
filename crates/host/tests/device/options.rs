//! Options that make no sense, or would be passed over, are refused; files are read as people have them.

use azure_device_app::MODEL_ID;
use local_hub::Hub;
use serde_json::json;

use crate::program::{PATIENCE, Program};
use crate::support::{access, desire, hub, x509_access};

const SAS: &str =
    "HostName=localhost;DeviceId=d;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TOKEN: &str = "HostName=localhost;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=localhost%2Fdevices%2Fd&sig=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8%3D&se=4000000000";
const X509: &str = "HostName=localhost;DeviceId=d;x509=true";

#[test]
fn options_that_would_be_passed_over_or_make_no_sense_are_refused_with_the_remedy() {
    let credentials = ["--certificate", "c.pem", "--key", "k.pem"];
    let life = ["--token-life", "3600"];
    for (connection_string, options, code, says) in [
        (
            SAS,
            &credentials[..],
            1,
            "leave --certificate and --key away",
        ),
        (TOKEN, &credentials, 1, "leave --certificate and --key away"),
        (X509, &[], 1, "add --certificate FILE and --key FILE"),
        (
            X509,
            &[&credentials[..], &life].concat(),
            1,
            "--token-life is for tokens that the device signs",
        ),
        (
            TOKEN,
            &life,
            1,
            "--token-life is for tokens that the device signs",
        ),
        (SAS, &["--keep-alive", "2000"], 2, "from 5 to 1177"),
        (SAS, &["--token-life", "5"], 2, "from 120 to 31536000"),
        (
            SAS,
            &["--model-id", "foo"],
            2,
            "dtmi:com:example:Thermostat;1",
        ),
        (SAS, &["--interval", "0"], 2, "`never`"),
        (SAS, &["--connect-timeout", "0"], 2, "from 1 to 600"),
    ] {
        let arguments = [&["device"][..], options].concat();
        let (status, lines) = Program::start_with_variable(connection_string, &arguments).finish();
        let output = lines.join("\n");
        assert_eq!(status.code(), Some(code), "{options:?}: {output}");
        assert!(output.contains(says), "{options:?}: {output}");
    }
}

/// The model that the hub stamps on the device's messages.
fn model_of(hub: &Hub) -> Option<String> {
    let (arrived, events) = hub.wait_for_events(PATIENCE, |events| !events.is_empty());
    assert!(arrived);
    events[0].annotations.get("dt-dataschema").cloned()
}

#[test]
fn the_model_is_announced_unless_it_is_not_wanted() {
    for (options, expected) in [
        (&[][..], Some(MODEL_ID)),
        (&["--model-id", "none"], None),
        (&["--no-twin"], None),
        (
            &["--model-id", "dtmi:com:example:Thing;1"],
            Some("dtmi:com:example:Thing;1"),
        ),
    ] {
        let hub = hub();
        let string = hub.create_sas_device("device").unwrap();
        let options = [options, &["--interval", "0.2"]].concat();
        let _program = Program::device(&access(&hub, &string), &options);
        assert_eq!(model_of(&hub).as_deref(), expected, "{options:?}");
    }
}

/// The text as an editor saved it.
fn spoil(text: &str, how: &str) -> Vec<u8> {
    let utf_16 = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    match how {
        "mark" => format!("\u{feff}{text}").into_bytes(),
        "UTF-16" => utf_16(format!("\u{feff}{text}")),
        "UTF-16 without a mark" => utf_16(text.into()),
        "CRLF" => text.replace('\n', "\r\n").into_bytes(),
        "indentation" => text
            .lines()
            .map(|line| format!("  \t{line} \n"))
            .collect::<String>()
            .into_bytes(),
        _ => text.trim_end().into(),
    }
}

#[test]
fn files_are_read_as_editors_write_them() {
    let hub = hub();
    let device = hub.create_x509_device("device").unwrap();
    let access = x509_access(&hub, &device);
    let (certificate, key) = access.certificate.unwrap();
    for how in [
        "mark",
        "UTF-16",
        "UTF-16 without a mark",
        "CRLF",
        "indentation",
        "no last line end",
    ] {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, spoil(text, how)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let program = Program::start(&[
            "device",
            "--connection-string-file",
            &file("string", access.connection_string),
            "--ca",
            &file("ca", access.ca_pem),
            "--certificate",
            &file("certificate", certificate),
            "--key",
            &file("key", key),
            "--endpoint",
            &access.endpoint,
        ]);
        program.wait_for("joined localhost");
    }
}

#[test]
fn a_dark_indicator_is_named_and_hides_nothing_of_what_the_device_does() {
    let hub = hub();
    let string = hub.create_sas_device("device").unwrap();
    let program = Program::device(&access(&hub, &string), &["--interval", "0.3"]);
    program.wait_for("is connected");
    desire(
        &hub,
        "device",
        json!({ "indicator": { "__t": "c", "enabled": false } }),
    );
    program.wait_for("keeps its indicator dark (indicator.enabled is false)");
    let before = program.lines().len();
    let sends = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("sends telemetry"))
            .count()
    };
    program.wait_for_times("sends telemetry", sends(&program.lines()) + 2);
    assert!(hub.disconnect("device"));
    program.wait_for("is not connected");
    let after = &program.lines()[before..];
    assert!(
        after.iter().all(|line| !line.contains("blinks")),
        "{after:?}"
    );
    desire(
        &hub,
        "device",
        json!({ "indicator": { "__t": "c", "enabled": true } }),
    );
    program.wait_for("shows its indicator again");
}
