//! A cloud-to-device message, and what becomes of it.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::events::base64_bytes;

/// Body and properties of a message: 64 KB.
const MAX_MESSAGE: usize = 65_536;

/// A cloud-to-device message as an operator sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Message {
    /// `$.mid`: names it in feedback records.
    pub message_id: Option<String>,
    /// `$.cid`.
    pub correlation_id: Option<String>,
    /// `$.uid`.
    pub user_id: Option<String>,
    /// `$.ct`, such as `application/json`.
    pub content_type: Option<String>,
    /// `$.ce`, such as `utf-8`.
    pub content_encoding: Option<String>,
    /// Time at which it expires, in milliseconds since 1970; an hour after it was sent if absent.
    pub expiry: Option<u64>,
    /// Feedback that its sender asks for; none if absent.
    pub ack: Option<Ack>,
    /// Application properties, in order.
    pub properties: Vec<(String, String)>,
    /// The payload.
    #[serde(with = "base64_bytes")]
    pub body: Vec<u8>,
}

impl Message {
    /// A message without properties.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// Bytes of body and properties; refuses too many of them, and what the service does not allow in names
    /// and values of properties.
    pub(crate) fn checked_size(&self) -> Result<usize, Error> {
        let properties = self.properties.iter();
        let names_and_values = properties.clone().map(|(k, v)| k.len() + v.len());
        let size = self.body.len() + names_and_values.sum::<usize>();
        if size > MAX_MESSAGE {
            return Err(Error::MessageTooLarge(format!(
                "the message has {size} bytes; body and properties may have {MAX_MESSAGE}"
            )));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.:^_`|~".contains(c);
        for (name, value) in properties {
            if name.is_empty() || !name.chars().chain(value.chars()).all(allowed) {
                return Err(Error::ArgumentInvalid(format!(
                    "property {name:?} has a name or value with characters other than ASCII letters, digits \
                     and !#$%&'*+-.:^_`|~"
                )));
            }
        }
        match &self.message_id {
            Some(id) if id.is_empty() || id.len() > 128 => Err(Error::ArgumentInvalid(
                "a message id has 1 to 128 characters".into(),
            )),
            _ => Ok(size),
        }
    }
}

/// `iothub-ack`: which outcomes a sender wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// None.
    #[default]
    None,
    /// That the device took it.
    Positive,
    /// That it never did.
    Negative,
    /// Either.
    Full,
}

/// Outcome for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The device acknowledged it.
    Success,
    /// Its time ran out.
    Expired,
    /// It was delivered as often as allowed and never acknowledged.
    DeliveryCountExceeded,
    /// The device refused it, which it can over HTTPS only.
    Rejected,
    /// It was discarded: by an operator, or by a clean session.
    Purged,
}

/// One record of feedback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// The message's `$.mid`.
    pub original_message_id: String,
    /// Time at which the outcome was known, ISO 8601.
    pub enqueued_time_utc: String,
    /// Its outcome.
    pub status_code: Outcome,
    /// The same in words.
    pub description: String,
    /// The device that it was sent to.
    pub device_id: String,
    /// The module of that device, if it was sent to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_id: Option<String>,
    /// The generation of the device or module.
    pub device_generation_id: String,
}
