//! From a PUBLISH to an event: names of system properties, the hub's own stamps, the size limit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::base64_bytes;
use super::log::Unnumbered;
use crate::registry::Identity;

/// Body, values of system properties, names and values of application properties: 256 KB together.
const MAX_MESSAGE: usize = 262_144;

/// Who a connection belongs to, as far as events tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Device or module.
    pub(crate) identity: Identity,
    /// `iothub-connection-auth-method`: JSON.
    pub(crate) auth_method: &'static str,
    /// `iothub-connection-auth-generation-id`.
    pub(crate) generation_id: String,
    /// `dt-dataschema`: the Plug and Play model that CONNECT named.
    pub(crate) model_id: Option<String>,
}

/// Flags of the PUBLISH that become application properties.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// RETAIN, which the hub does not honour.
    pub(crate) retain: bool,
    /// DUP.
    pub(crate) dup: bool,
    /// It is a last will.
    pub(crate) will: bool,
}

/// An event before it is stored, written as [`Event`](super::Event) is read.
#[derive(Debug, Serialize)]
pub(crate) struct NewEvent<'s> {
    /// The log gives it.
    sequence_number: u64,
    enqueued_time: u64,
    // The log finds events by it, near the beginning.
    origin: &'s Identity,
    system: BTreeMap<Cow<'static, str>, String>,
    properties: BTreeMap<Cow<'static, str>, Option<Cow<'static, str>>>,
    annotations: Annotations<'s>,
    #[serde(serialize_with = "base64_bytes::serialize")]
    body: Vec<u8>,
}

impl Unnumbered for NewEvent<'_> {
    fn number(&mut self, sequence_number: u64) {
        self.sequence_number = sequence_number;
    }
}

/// Annotations by the hub.
#[derive(Debug, Serialize)]
struct Annotations<'s> {
    #[serde(rename = "dt-dataschema", skip_serializing_if = "Option::is_none")]
    model_id: Option<&'s str>,
    #[serde(rename = "dt-subject", skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(rename = "iothub-connection-auth-generation-id")]
    generation_id: &'s str,
    #[serde(rename = "iothub-connection-auth-method")]
    auth_method: &'s str,
    #[serde(rename = "iothub-connection-device-id")]
    device_id: &'s str,
    #[serde(
        rename = "iothub-connection-module-id",
        skip_serializing_if = "Option::is_none"
    )]
    module_id: Option<&'s str>,
    #[serde(rename = "iothub-message-source")]
    source: &'static str,
}

/// Makes the event of a telemetry message, and gives its size; `Err` the size that is too large.
pub(crate) fn event_from(
    sender: &Sender,
    bag: Vec<(String, Option<String>)>,
    body: Vec<u8>,
    flags: Flags,
    now_millis: u64,
) -> Result<(NewEvent<'_>, usize), usize> {
    let mut system = BTreeMap::new();
    let mut properties: BTreeMap<Cow<'static, str>, Option<Cow<'static, str>>> = BTreeMap::new();
    for (key, value) in bag {
        match system_name(&key) {
            Some(name) => {
                system.insert(name, value.unwrap_or_default());
            }
            None => {
                properties.insert(Cow::Owned(key), value.map(Cow::Owned));
            }
        }
    }
    let size = body.len()
        + system.values().map(String::len).sum::<usize>()
        + properties
            .iter()
            .map(|(k, v)| k.len() + v.as_ref().map_or(0, |v| v.len()))
            .sum::<usize>();
    if size > MAX_MESSAGE {
        return Err(size);
    }
    let marks = [
        (flags.retain, "mqtt-retain", "true"),
        (flags.dup, "mqtt-dup", "true"),
        (flags.will, "iothub-MessageType", "Will"),
    ];
    for (_, name, value) in marks.into_iter().filter(|(set, ..)| *set) {
        properties.insert(Cow::Borrowed(name), Some(Cow::Borrowed(value)));
    }
    let event = NewEvent {
        sequence_number: 0,
        enqueued_time: now_millis,
        origin: &sender.identity,
        annotations: Annotations {
            model_id: sender.model_id.as_deref(),
            component: system.remove("component"),
            generation_id: &sender.generation_id,
            auth_method: sender.auth_method,
            device_id: &sender.identity.device_id,
            module_id: sender.identity.module_id.as_deref(),
            source: "Telemetry",
        },
        system,
        properties,
        body,
    };
    Ok((event, size))
}

/// The long name of a system property of a property bag; unknown ones keep their own.
fn system_name(key: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match key {
        "$.mid" => "message_id",
        "$.cid" => "correlation_id",
        "$.uid" => "user_id",
        "$.ct" => "content_type",
        "$.ce" => "content_encoding",
        "$.exp" => "absolute_expiry_time",
        "$.to" => "to",
        "$.ctime" => "creation_time",
        "$.sub" => "component",
        "$.on" => "output_name",
        "$.ifid" => "interface_id",
        "$.schema" => "message_schema",
        _ if key.starts_with("$.") => return Some(Cow::Owned(key.to_owned())),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::events::Event;

    /// What is read of what is written.
    fn read(event: &NewEvent<'_>) -> Event {
        serde_json::from_slice(&serde_json::to_vec(event).unwrap()).unwrap()
    }

    fn sender() -> Sender {
        Sender {
            identity: Identity::device("d"),
            auth_method: "{}",
            generation_id: "1".into(),
            model_id: Some("dtmi:a;1".into()),
        }
    }

    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.into(), Some(value.into()))
    }

    #[test]
    fn system_properties_get_their_long_names_and_stamps_are_added() {
        let bag = vec![
            pair("$.ct", "a"),
            pair("$.mid", "m"),
            pair("$.sub", "c"),
            pair("k", "v"),
            ("n".into(), None),
        ];
        let sender = sender();
        let (event, size) = event_from(&sender, bag, b"x".to_vec(), Flags::default(), 7)
            .unwrap_or_else(|size| panic!("{size}"));
        let event = read(&event);
        assert_eq!(event.system["content_type"], "a");
        assert_eq!(event.system["message_id"], "m");
        assert_eq!(event.system.len(), 2);
        assert_eq!(event.properties["k"].as_deref(), Some("v"));
        assert_eq!(event.properties["n"], None);
        assert_eq!(event.annotations["dt-subject"], "c");
        assert_eq!(event.annotations["dt-dataschema"], "dtmi:a;1");
        assert_eq!(event.annotations["iothub-message-source"], "Telemetry");
        let annotations: Vec<_> = event.annotations.keys().map(String::as_str).collect();
        let expected = [
            "dt-dataschema",
            "dt-subject",
            "iothub-connection-auth-generation-id",
            "iothub-connection-auth-method",
            "iothub-connection-device-id",
            "iothub-message-source",
        ];
        assert_eq!(annotations, expected);
        assert_eq!(event.origin, sender.identity);
        assert_eq!(event.body, b"x");
        assert_eq!(event.enqueued_time, 7);
        // a, m, c; k, v, n; x
        assert_eq!(size, 7);
    }

    #[test]
    fn flags_become_properties() {
        let flags = Flags {
            retain: true,
            dup: true,
            will: true,
        };
        let sender = sender();
        let (event, _) = event_from(&sender, Vec::new(), Vec::new(), flags, 0)
            .unwrap_or_else(|size| panic!("{size}"));
        let event = read(&event);
        let names: Vec<_> = event.properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["iothub-MessageType", "mqtt-dup", "mqtt-retain"]);
    }

    #[test]
    fn a_message_of_256_kilobytes_is_taken_and_one_more_byte_is_not() {
        let bag = || vec![pair("$.ct", "1234"), pair("key", "value")];
        let body = |length: usize| vec![0; length - 4 - 8];
        let sender = sender();
        assert!(event_from(&sender, bag(), body(MAX_MESSAGE), Flags::default(), 0).is_ok());
        let refused = event_from(&sender, bag(), body(MAX_MESSAGE + 1), Flags::default(), 0);
        assert_eq!(refused.err(), Some(MAX_MESSAGE + 1));
    }
}
