//! Texts of strangers, as the log shows them.

use std::format;

use super::HOUR;
use super::lines::logged;
use super::malformed::world;
use super::operator::live_for;
use super::sim::publish;
use crate::text::is_hidden;

/// Text with characters that could clear a screen, begin a line of their own, hide text or turn its direction.
const HOSTILE: &str =
    "a\u{1b}[2J\u{9b}2J\u{7f}\u{85}\r\nb\u{202e}c\u{2066}d\u{200b}e\u{feff}f\u{2028}g\u{ad}";

#[test]
fn no_text_from_the_hub_acts_on_the_terminal_that_shows_the_log() {
    let json = format!("\"{}\"", HOSTILE.escape_default()).replace("\\u{", "\\\\u{");
    let topics = [
        "devices/MyDevice01/messages/devicebound/".into(),
        format!("devices/MyDevice01/messages/devicebound/{HOSTILE}=x&y={HOSTILE}"),
        format!("$iothub/methods/POST/{HOSTILE}/?$rid=1"),
        format!("$iothub/methods/POST/blink/?$rid={HOSTILE}"),
        format!("$iothub/twin/PATCH/properties/desired/?$version={HOSTILE}"),
        format!("$iothub/twin/res/{HOSTILE}/?$rid={HOSTILE}"),
        format!("no/such/{HOSTILE}"),
    ];
    let bodies = [
        HOSTILE.into(),
        json.clone(),
        format!("{{\"{HOSTILE}\":1,\"$version\":9}}"),
        format!("{{\"telemetryInterval\":{json},\"$version\":9}}"),
    ];
    let mut world = world();
    let mut at = 10_000;
    for topic in &topics {
        for body in &bodies {
            let packet = publish(topic.as_bytes(), None, body.as_bytes());
            world.raw.push_back((at, packet));
            at += 10_000;
        }
    }
    let (_, lines) = logged(|| live_for(&mut world, HOUR));
    assert!(world.raw.is_empty());
    let shown = lines.iter().filter(|line| line.contains("\\u{1b}[2J"));
    assert!(shown.count() >= 2, "none was shown at all: {lines:#?}");
    for line in lines {
        assert!(!line.chars().any(is_hidden), "{line:?}");
    }
}
