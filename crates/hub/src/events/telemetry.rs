//! From a PUBLISH to an event: names of system properties, the hub's own stamps, the size limit.

use std::collections::BTreeMap;

use super::Event;
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

/// Makes the event of a telemetry message, and gives its size; `Err` the size that is too large.
pub(crate) fn event_from(
    sender: &Sender,
    bag: Vec<(String, Option<String>)>,
    body: Vec<u8>,
    flags: Flags,
    now_millis: u64,
) -> Result<(Event, usize), usize> {
    let mut system = BTreeMap::new();
    let mut properties = BTreeMap::new();
    for (key, value) in bag {
        match system_name(&key) {
            Some(name) => {
                system.insert(name.to_owned(), value.unwrap_or_default());
            }
            None => {
                properties.insert(key, value);
            }
        }
    }
    let size = body.len()
        + system.values().map(String::len).sum::<usize>()
        + properties
            .iter()
            .map(|(k, v)| k.len() + v.as_ref().map_or(0, String::len))
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
        properties.insert(name.to_owned(), Some(value.to_owned()));
    }
    let event = Event {
        sequence_number: 0,
        enqueued_time: now_millis,
        origin: sender.identity.clone(),
        annotations: annotations(sender, system.remove("component")),
        system,
        properties,
        body,
    };
    Ok((event, size))
}

fn annotations(sender: &Sender, component: Option<String>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from(
        [
            (
                "iothub-connection-device-id",
                sender.identity.device_id.as_str(),
            ),
            ("iothub-connection-auth-method", sender.auth_method),
            (
                "iothub-connection-auth-generation-id",
                &sender.generation_id,
            ),
            ("iothub-message-source", "Telemetry"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let optional = [
        (
            "iothub-connection-module-id",
            sender.identity.module_id.clone(),
        ),
        ("dt-dataschema", sender.model_id.clone()),
        ("dt-subject", component),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            annotations.insert(name.to_owned(), value);
        }
    }
    annotations
}

/// The long name of a system property of a property bag; unknown ones keep their own.
fn system_name(key: &str) -> Option<&str> {
    Some(match key {
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
        _ if key.starts_with("$.") => key,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (event, size) = event_from(&sender(), bag, b"x".to_vec(), Flags::default(), 7)
            .unwrap_or_else(|size| panic!("{size}"));
        assert_eq!(event.system["content_type"], "a");
        assert_eq!(event.system["message_id"], "m");
        assert_eq!(event.system.len(), 2);
        assert_eq!(event.properties["k"].as_deref(), Some("v"));
        assert_eq!(event.properties["n"], None);
        assert_eq!(event.annotations["dt-subject"], "c");
        assert_eq!(event.annotations["dt-dataschema"], "dtmi:a;1");
        assert_eq!(event.annotations["iothub-message-source"], "Telemetry");
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
        let (event, _) = event_from(&sender(), Vec::new(), Vec::new(), flags, 0)
            .unwrap_or_else(|size| panic!("{size}"));
        let names: Vec<_> = event.properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["iothub-MessageType", "mqtt-dup", "mqtt-retain"]);
    }

    #[test]
    fn a_message_of_256_kilobytes_is_taken_and_one_more_byte_is_not() {
        let bag = || vec![pair("$.ct", "1234"), pair("key", "value")];
        let body = |length: usize| vec![0; length - 4 - 8];
        assert!(event_from(&sender(), bag(), body(MAX_MESSAGE), Flags::default(), 0).is_ok());
        let refused = event_from(&sender(), bag(), body(MAX_MESSAGE + 1), Flags::default(), 0);
        assert_eq!(refused.err(), Some(MAX_MESSAGE + 1));
    }
}
