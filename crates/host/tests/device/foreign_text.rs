//! Texts of strangers, as the program prints them.

use azure_device::text::is_hidden;
use local_hub::Message;
use serde_json::Value;

use crate::program::{PATIENCE, Program};
use crate::support::{access, hub};

#[test]
fn no_text_from_the_hub_acts_on_the_terminal_of_the_program() {
    const HOSTILE: &str =
        "a\u{1b}[2J\u{9b}2J\u{7f}\r\nb\u{202e}c\u{2066}d\u{200b}e\u{feff}f\u{2028}g";
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let program = Program::device(&access(&hub, &connection_string), &["-vv"]);
    program.wait_for("twin: reported");
    hub.send_c2d("device", Message::new(HOSTILE)).unwrap();
    program.wait_for("cloud-to-device message of");
    let name = HOSTILE.replace(|c: char| c.is_control(), "");
    let answer = hub.invoke_method("device", &name, &Value::from(HOSTILE), PATIENCE);
    assert_eq!(answer.unwrap().status, 404);
    program.wait_for("unknown");
    let lines = program.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("\\u{1b}[2J\\u{9b}2J"))
    );
    for line in lines {
        assert!(!line.chars().any(is_hidden), "{line:?}");
    }
}
