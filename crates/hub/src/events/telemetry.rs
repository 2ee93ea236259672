//! From a PUBLISH to an event: names of system properties, the hub's own stamps, the size limit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::log::Unnumbered;
use crate::registry::Identity;

/// Body, values of system properties, names and values of application properties: 256 KB together.
const MAX_MESSAGE: usize = 262_144;

/// Owner of a connection, as far as events tell of it.
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
    /// All of this, as it is written; not to be changed after the first event.
    pub(crate) stamp: Stamp,
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

/// Part of an event that is the same in all of a sender's, written once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp(OnceLock<Box<str>>);

impl Stamp {
    /// Members `origin` and `annotations`, the latter without its end.
    fn of(sender: &Sender) -> &str {
        sender.stamp.0.get_or_init(|| {
            let identity = &sender.identity;
            let optional = [
                ("iothub-connection-module-id", &identity.module_id),
                ("dt-dataschema", &sender.model_id),
            ];
            let set = |(name, value)| Option::as_deref(value).map(|value: &str| (name, value));
            let always = [
                ("iothub-connection-device-id", identity.device_id.as_str()),
                ("iothub-connection-auth-method", sender.auth_method),
                (
                    "iothub-connection-auth-generation-id",
                    &sender.generation_id,
                ),
                ("iothub-message-source", "Telemetry"),
            ];
            let annotations: BTreeMap<&str, &str> = always
                .into_iter()
                .chain(optional.into_iter().filter_map(set))
                .collect();
            // Texts and maps of texts are always JSON.
            let origin = serde_json::to_string(identity).unwrap_or_default();
            let annotations = serde_json::to_string(&annotations).unwrap_or_default();
            let annotations = annotations.strip_suffix('}').unwrap_or_default();
            format!("\"origin\":{origin},\"annotations\":{annotations}").into()
        })
    }
}

/// An event before it is stored.
#[derive(Debug)]
pub(crate) struct NewEvent<'s> {
    sender: &'s Sender,
    enqueued_time: u64,
    /// `dt-subject`.
    component: Option<String>,
    system: BTreeMap<Cow<'static, str>, String>,
    properties: BTreeMap<Cow<'static, str>, Option<Cow<'static, str>>>,
    body: Vec<u8>,
}

impl Unnumbered for NewEvent<'_> {
    fn write(&self, sequence_number: u64, json: &mut Vec<u8>) -> io::Result<()> {
        json.extend(b"{\"sequence_number\":");
        serde_json::to_writer(&mut *json, &sequence_number)?;
        json.extend(b",\"enqueued_time\":");
        serde_json::to_writer(&mut *json, &self.enqueued_time)?;
        json.push(b',');
        json.extend(Stamp::of(self.sender).as_bytes());
        if let Some(component) = &self.component {
            json.extend(b",\"dt-subject\":");
            serde_json::to_writer(&mut *json, component)?;
        }
        json.extend(b"},\"system\":");
        serde_json::to_writer(&mut *json, &self.system)?;
        json.extend(b",\"properties\":");
        serde_json::to_writer(&mut *json, &self.properties)?;
        json.extend(b",\"body\":\"");
        let (begin, length) = (json.len(), self.body.len().div_ceil(3) * 4);
        json.resize(begin + length, b'=');
        let room = json.get_mut(begin..).unwrap_or_default();
        STANDARD
            .encode_slice(&self.body, room)
            .map_err(io::Error::other)?;
        json.extend(b"\"}");
        Ok(())
    }
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
        sender,
        enqueued_time: now_millis,
        component: system.remove("component"),
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

    /// The part that is read of what is written.
    fn read(event: &NewEvent<'_>) -> Event {
        let mut json = Vec::new();
        event.write(0, &mut json).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    fn sender() -> Sender {
        Sender {
            identity: Identity::device("d"),
            auth_method: "{}",
            generation_id: "1".into(),
            model_id: Some("dtmi:a;1".into()),
            stamp: Stamp::default(),
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
