//! One device-to-cloud message as the hub stored it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json;
use crate::registry::Identity;

/// A stored device-to-cloud message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up by one from 0, also across restarts.
    pub sequence_number: u64,
    /// Time at which it was stored, in milliseconds since 1970.
    pub enqueued_time: u64,
    /// Its sender.
    pub origin: Identity,
    /// System properties by their long names: `message_id`, `content_type`, `content_encoding`, …
    pub system: BTreeMap<String, String>,
    /// Application properties; `None` for a key without `=`.
    pub properties: BTreeMap<String, Option<String>>,
    /// Annotations by the hub: `iothub-connection-device-id`, `iothub-message-source`, …
    pub annotations: BTreeMap<String, String>,
    /// The payload.
    #[serde(with = "base64_bytes")]
    pub body: Vec<u8>,
}

impl Event {
    /// The shape that `az iot hub monitor-events --props all` prints.
    ///
    /// The payload is JSON if the content type says so and it is, with 120 levels at most; text otherwise;
    /// base64 if it is not UTF-8 either.
    pub fn to_json(&self) -> Value {
        let text = |key: &str| self.annotations.get(key).cloned().unwrap_or_default();
        json!({ "event": {
            "origin": self.origin.device_id,
            "module": self.origin.module_id.as_deref().unwrap_or_default(),
            "interface": self.system.get("interface_id").cloned().unwrap_or_default(),
            "component": text("dt-subject"),
            "properties": { "system": self.system, "application": self.properties },
            "annotations": self.annotations_json(),
            "payload": self.payload_json(),
        }})
    }

    fn annotations_json(&self) -> Value {
        let mut all: serde_json::Map<String, Value> = self
            .annotations
            .iter()
            .map(|(k, v)| (k.clone(), Value::from(v.as_str())))
            .collect();
        all.insert("iothub-enqueuedtime".into(), self.enqueued_time.into());
        all.insert("x-opt-sequence-number".into(), self.sequence_number.into());
        Value::Object(all)
    }

    fn payload_json(&self) -> Value {
        let is_json = self.system.get("content_type").is_some_and(|content_type| {
            let kind = content_type.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/json")
        });
        if is_json && let Ok(value) = json::read(&self.body, json::PASSED_ON) {
            return value;
        }
        match std::str::from_utf8(&self.body) {
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(&self.body).into(),
        }
    }
}

/// Bytes as base64 text in JSON.
pub(crate) mod base64_bytes {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
