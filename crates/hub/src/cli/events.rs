//! `local-hub monitor-events`: a line an event for people, JSON for programs.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::Failure;
use super::output::{print, say};
use super::patience::Patience;
use super::target::Target;
use crate::clock::iso_8601;
use crate::credentials::percent;
use crate::json;
use crate::shown;

/// Most characters of a payload in a line for people.
const MAX_PAYLOAD: usize = 400;

#[derive(Args)]
pub(super) struct MonitorEvents {
    #[command(flatten)]
    target: Target,
    /// Only what this device and its modules send
    #[arg(short = 'd', long, visible_alias = "device-id", value_name = "ID")]
    device: Option<String>,
    /// Only what this module of the device sends
    #[arg(short, long, visible_alias = "module-id", value_name = "ID")]
    module: Option<String>,
    /// End after this many
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    patience: Patience,
    /// Print what the hub still has of earlier messages first
    #[arg(long)]
    from_start: bool,
    /// Print these properties only: sys, app, anno, all; several with spaces between them
    #[arg(short = 'p', long = "props", visible_alias = "properties", value_enum, value_name = "KIND", num_args = 1..)]
    shown_properties: Vec<Kind>,
    /// Take payloads for this type, whatever the message says; application/json has an effect
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    /// The form: text, a line an event (on a terminal), or json, an object a line with everything (otherwise)
    #[arg(short, long, value_enum, value_name = "FORM")]
    output: Option<Form>,
}

/// A kind of properties, as `az` names them.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// System properties, such as the content type
    Sys,
    /// Application properties
    App,
    /// Annotations by the hub, such as the time
    Anno,
    /// All of them
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl MonitorEvents {
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = self.target.operator()?;
        let mut path = format!(
            "/messages/events?from={}",
            if self.from_start { "start" } else { "now" }
        );
        if let Some(device) = &self.device {
            path.push_str("&device=");
            path.push_str(&percent::encode(device));
        }
        let mut left = self.count.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(());
        }
        let form = self.output.unwrap_or(if stdout().is_terminal() {
            Form::Text
        } else {
            Form::Json
        });
        let take = |line: &str| {
            let Ok(event) = serde_json::from_str::<Value>(line) else {
                return ControlFlow::Break(Err(Failure("the hub did not answer in JSON".into())));
            };
            let Some(event) = self.wanted(event) else {
                return ControlFlow::Continue(());
            };
            let text = match form {
                Form::Json => event.to_string(),
                Form::Text => shown::line(&self.text(&event["event"])).into_owned(),
            };
            if let Err(failure) = print(&text) {
                return ControlFlow::Break(Err(failure));
            }
            left -= 1;
            if left == 0 {
                ControlFlow::Break(Ok(()))
            } else {
                ControlFlow::Continue(())
            }
        };
        operator.lines(&path, self.patience.limit(), take, || {
            say("waiting for events")
        })
    }

    /// The event with the properties and the payload that were asked for; `None` if it was not.
    fn wanted(&self, mut event: Value) -> Option<Value> {
        let inner = event.get_mut("event")?.as_object_mut()?;
        if self.module.is_some() && inner["module"].as_str() != self.module.as_deref() {
            return None;
        }
        if self.content_type.as_deref().is_some_and(is_json)
            && let Some(text) = inner["payload"].as_str()
            && let Ok(payload) = json::read(text.as_bytes(), json::PASSED_ON)
        {
            inner.insert("payload".into(), payload);
        }
        if !self.shown_properties.is_empty() {
            if let Some(properties) = inner["properties"].as_object_mut() {
                properties.retain(|kind, _| match kind.as_str() {
                    "system" => self.shows(Kind::Sys),
                    _ => self.shows(Kind::App),
                });
            }
            if !self.shows(Kind::Anno) {
                // The time is one, and a line for people begins with it.
                let annotations = inner["annotations"].as_object_mut();
                annotations?.retain(|name, _| name == TIME && self.output == Some(Form::Text));
            }
            inner.retain(|_, part| part.as_object().is_none_or(|part| !part.is_empty()));
        }
        Some(event)
    }

    fn shows(&self, kind: Kind) -> bool {
        let kinds = &self.shown_properties;
        kinds.contains(&kind) || kinds.contains(&Kind::All)
    }

    /// One line: time (UTC), sender, component, payload, properties.
    fn text(&self, event: &Value) -> String {
        let part = |name: &str| event[name].as_str().unwrap_or_default();
        let millis = event["annotations"][TIME].as_u64().unwrap_or_default();
        let time = iso_8601(millis);
        let clock = time.get(11..19).unwrap_or_default();
        let mut line = format!("{clock}.{:03} {}", millis % 1000, part("origin"));
        for (mark, name) in [('/', "module"), (' ', "component")] {
            if !part(name).is_empty() {
                line.push(mark);
                line.push_str(part(name));
            }
        }
        let payload = match &event["payload"] {
            Value::String(text) => text.clone(),
            payload => payload.to_string(),
        };
        line.push_str("  ");
        line.extend(payload.chars().take(MAX_PAYLOAD));
        let whole = payload.chars().count();
        if whole > MAX_PAYLOAD {
            // Writing to a string does not fail.
            let _ = write!(line, "… ({whole} characters; --output json has all)");
        }
        let asked = !self.shown_properties.is_empty();
        let mut properties = Vec::new();
        for (is_shown, given) in [
            (
                !asked || self.shows(Kind::App),
                &event["properties"]["application"],
            ),
            (
                asked && self.shows(Kind::Sys),
                &event["properties"]["system"],
            ),
            (asked && self.shows(Kind::Anno), &event["annotations"]),
        ] {
            if let (true, Some(given)) = (is_shown, given.as_object()) {
                properties.extend(pairs(given));
            }
        }
        if !properties.is_empty() {
            line.push_str("  ");
            line.push_str(&properties.join(" "));
        }
        line
    }
}

/// The annotation with the time at which the hub stored the event, in milliseconds since 1970.
const TIME: &str = "iothub-enqueuedtime";

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn pairs(properties: &Map<String, Value>) -> Vec<String> {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::Null => name.clone(),
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    properties.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        monitor: MonitorEvents,
    }

    fn monitor(arguments: &[&str]) -> MonitorEvents {
        let words = ["x", "--state", "s"].into_iter();
        let line = Line::try_parse_from(words.chain(arguments.iter().copied()));
        line.unwrap_or_else(|error| panic!("{error}")).monitor
    }

    fn event() -> Value {
        json!({"event": {
            "origin": "pump", "module": "", "interface": "", "component": "",
            "properties": {"system": {"message_id": "7"}, "application": {"alert": "a b", "bare": null}},
            "annotations": {TIME: 1_767_225_723_045_u64, "iothub-message-source": "Telemetry"},
            "payload": {"t": 21.5},
        }})
    }

    fn line(arguments: &[&str], event: Value) -> String {
        let monitor = monitor(&[arguments, &["--output", "text"]].concat());
        let wanted = monitor.wanted(event).unwrap_or_default();
        monitor.text(&wanted["event"])
    }

    #[test]
    fn a_line_has_the_time_the_sender_the_payload_and_the_properties() {
        let whole = "00:02:03.045 pump  {\"t\":21.5}  alert=a b bare";
        assert_eq!(line(&[], event()), whole);
        assert_eq!(line(&["--props", "app"], event()), whole);
        let sys = line(&["--props", "sys"], event());
        assert_eq!(sys, "00:02:03.045 pump  {\"t\":21.5}  message_id=7");
        let all = line(&["-p", "sys", "app", "anno"], event());
        assert!(all.starts_with(&format!("{whole} message_id=7 ")), "{all}");
        assert!(all.contains("iothub-message-source=Telemetry"), "{all}");
        let mut other = event();
        other["event"]["module"] = "m".into();
        other["event"]["component"] = "led".into();
        other["event"]["payload"] = "x".repeat(401).into();
        let text = line(&[], other);
        assert!(text.starts_with("00:02:03.045 pump/m led  xxx"), "{text}");
        assert!(
            text.contains("x… (401 characters; --output json has all)"),
            "{text}"
        );
    }

    #[test]
    fn json_has_everything_or_the_kinds_that_were_asked_for() {
        let wanted = |arguments: &[&str]| monitor(arguments).wanted(event()).unwrap_or_default();
        assert_eq!(wanted(&[]), event());
        assert_eq!(wanted(&["--props", "all"]), event());
        let app = wanted(&["--props", "app"]);
        assert_eq!(app["event"].get("annotations"), None);
        let properties = json!({"application": {"alert": "a b", "bare": null}});
        assert_eq!(app["event"]["properties"], properties);
        assert_eq!(
            wanted(&["--props", "anno"])["event"].get("properties"),
            None
        );
        assert_eq!(monitor(&["-m", "m"]).wanted(event()), None);
    }

    #[test]
    fn a_payload_is_taken_for_json_if_so_asked_and_if_it_is() {
        let mut text = event();
        text["event"]["payload"] = "{\"a\": 1}".into();
        let as_json = |event: Value| monitor(&["--ct", "application/json"]).wanted(event);
        let payload = as_json(text.clone()).unwrap_or_default()["event"]["payload"].clone();
        assert_eq!(payload, json!({"a": 1}));
        let untouched = monitor(&["--ct", "text/plain"]).wanted(text.clone());
        assert_eq!(untouched, Some(text.clone()));
        text["event"]["payload"] = "{".into();
        assert_eq!(as_json(text.clone()), Some(text));
    }
}
