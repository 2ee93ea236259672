//! `cargo run`, as a newcomer types it.

use crate::program::Program;

#[test]
fn the_demonstration_ends_by_itself_when_every_device_has_sent_and_received() {
    let (status, lines) = Program::start(&["--messages", "3", "--interval", "0.2"]).finish();
    let output = lines.join("\n");
    assert_eq!(status.code(), Some(0), "{output}");
    for id in ["sas-device", "x509-device"] {
        let stored = format!("stored from {id}: {{");
        assert!(
            lines.iter().filter(|line| line.contains(&stored)).count() >= 3,
            "{output}"
        );
        let said = [
            format!("sends message-1 to {id}: stored so far: 1"),
            format!("{id} acknowledged message-1"),
            format!("desires of {id}: {{\"indicator\":{{\"__t\":\"c\",\"enabled\":true}}}}"),
            format!("{id} reported: {{\"indicator\":{{"),
            format!("calls getStatus of {id}"),
            format!("{id} answered with 200: {{\"uptimeSeconds\":"),
        ];
        let place = |text: &String| lines.iter().position(|line| line.contains(text.as_str()));
        let places: Vec<_> = said.iter().map(place).collect();
        assert!(places.iter().all(Option::is_some), "{places:?}:\n{output}");
        assert!(places.is_sorted(), "{places:?}:\n{output}");
        let joined = lines
            .iter()
            .any(|line| line.contains(id) && line.contains("joined localhost"));
        assert!(joined, "{output}");
    }
    assert!(output.contains("cloud-to-device message of"), "{output}");
    for line in &lines {
        let time: Vec<_> = line.bytes().take(12).collect();
        let digits = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
        let shape: Vec<_> = time.iter().map(digits).collect();
        assert_eq!(shape, b"00:00:00.000", "{line}");
    }
    // Nobody looks at colours in a pipe.
    assert!(!output.contains('\u{1b}'), "{output:?}");
    assert!(
        !output.contains(" ERROR ") && !output.contains(" WARN "),
        "{output}"
    );
}

#[test]
fn a_demonstration_that_takes_too_long_fails_and_says_what_is_missing() {
    let arguments = [
        "--messages",
        "1000000",
        "--interval",
        "0.5",
        "--time-limit",
        "3",
    ];
    let (status, lines) = Program::start(&arguments).finish();
    let output = lines.join("\n");
    assert_eq!(status.code(), Some(1), "{output}");
    let reason = lines
        .iter()
        .find(|line| line.starts_with("azure-device: "))
        .unwrap();
    assert!(
        reason.contains("after 3 s, still without 1000000 stored messages"),
        "{reason}"
    );
    assert!(reason.contains("sas-device sent "), "{reason}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_demonstration_with_success_unless_something_was_still_expected() {
    for (arguments, code) in [
        (&["--interval", "0.2"][..], 0),
        (&["--messages", "1000000"], 1),
    ] {
        let program = Program::start(arguments);
        for id in ["sas-device", "x509-device"] {
            program.wait_for(&format!("stored from {id}"));
        }
        program.interrupt();
        let (status, lines) = program.finish();
        assert_eq!(status.code(), Some(code), "{}", lines.join("\n"));
    }
}

#[test]
fn help_names_both_ways_to_use_the_program_and_wrong_options_are_refused() {
    let (status, lines) = Program::start(&["--help"]).finish();
    let help = lines.join("\n");
    assert!(status.success());
    for text in ["--messages", "device", "Ctrl-C", "verified TLS"] {
        assert!(help.contains(text), "{text} is missing:\n{help}");
    }
    for wrong in [
        &["--messages", "0"][..],
        &["--messages", "3", "device"],
        &["device", "--certificate", "only.pem"],
        &[
            "device",
            "--connection-string",
            "a",
            "--connection-string-file",
            "b",
        ],
        &["device", "--interval", "0"],
        &["device", "--endpoint", "localhost:99999"],
    ] {
        let (status, lines) = Program::start(wrong).finish();
        assert_eq!(status.code(), Some(2), "{wrong:?}: {}", lines.join("\n"));
    }
}
