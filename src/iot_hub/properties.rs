//! Property bags: the `key=value&key=value` at the end of a topic that carries a message.
//!
//! Keys and values are percent-encoded, so that `&`, `=`, `/` and the wildcards never stand raw in them;
//! `+` is a plus, a space is `%20`. A key without `=` has no value, one with `=` and nothing after it has
//! an empty one. What IoT Hub itself understands are system properties, whose names start with `$.`; the
//! rest is the application's.
//!
//! A [`Bag`] is read in place and decoded one property at a time, a [`BagWriter`] writes one straight to
//! the end of a topic. Neither allocates.
//!
//! Source: Azure IoT Hub, "Create and read IoT Hub messages" and "Use MQTT to establish communication".

use core::fmt::{self, Write};

use crate::percent::{DecodeError, Encoder, Escaped};
use crate::text::{Overflow, Text};

/// The application property that carries a message's time of creation, in ISO 8601 with `Z`: what
/// [`UnixTime`](crate::time::UnixTime) displays. IoT Hub knows it although it has no `$.`.
pub const CREATION_TIME_UTC: &str = "iothub-creation-time-utc";

/// A property that IoT Hub understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemProperty {
    /// The message's id, at most 128 bytes.
    MessageId,
    /// The id of the message that this one answers.
    CorrelationId,
    /// Sender or receiver of the message.
    UserId,
    /// Time at which the message expires, in ISO 8601.
    AbsoluteExpiry,
    /// Type of the body, such as `application/json`, which message routing needs to look into it.
    ContentType,
    /// Encoding of the body: `utf-8`, `utf-16` or `utf-32`.
    ContentEncoding,
    /// Destination of the message, such as `/devices/MyDevice01/messages/devicebound`.
    To,
    /// Time at which the message was made, as the SDKs write it; see also [`CREATION_TIME_UTC`].
    CreationTime,
    /// The component of the device's model that the message is of (IoT Plug and Play).
    Component,
    /// The output of the module that the message leaves by (Azure IoT Edge).
    OutputName,
    /// The interface that the message is of (IoT Plug and Play preview).
    InterfaceId,
    /// The schema of the body.
    Schema,
    /// The id of a distributed trace.
    DiagnosticId,
    /// The context of a distributed trace.
    DiagnosticContext,
    /// The device that the message came from (Azure IoT Edge).
    ConnectionDeviceId,
    /// The module that the message came from (Azure IoT Edge).
    ConnectionModuleId,
}

impl SystemProperty {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::MessageId,
        Self::CorrelationId,
        Self::UserId,
        Self::AbsoluteExpiry,
        Self::ContentType,
        Self::ContentEncoding,
        Self::To,
        Self::CreationTime,
        Self::Component,
        Self::OutputName,
        Self::InterfaceId,
        Self::Schema,
        Self::DiagnosticId,
        Self::DiagnosticContext,
        Self::ConnectionDeviceId,
        Self::ConnectionModuleId,
    ];

    /// The key that it has in a bag, decoded.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::MessageId => "$.mid",
            Self::CorrelationId => "$.cid",
            Self::UserId => "$.uid",
            Self::AbsoluteExpiry => "$.exp",
            Self::ContentType => "$.ct",
            Self::ContentEncoding => "$.ce",
            Self::To => "$.to",
            Self::CreationTime => "$.ctime",
            Self::Component => "$.sub",
            Self::OutputName => "$.on",
            Self::InterfaceId => "$.ifid",
            Self::Schema => "$.schema",
            Self::DiagnosticId => "$.diagid",
            Self::DiagnosticContext => "$.diagctx",
            Self::ConnectionDeviceId => "$.cdid",
            Self::ConnectionModuleId => "$.cmid",
        }
    }
}

/// A property bag as it was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bag<'t>(&'t str);

impl<'t> Bag<'t> {
    /// The bag that `text` is. What is malformed in it is told by [`Bag::properties`], property by property.
    pub const fn new(text: &'t str) -> Self {
        Self(text)
    }

    /// The bag as it was received.
    pub const fn raw(self) -> &'t str {
        self.0
    }

    /// True if there is no property.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The properties in their order. After a malformed one, the iteration goes on with the next.
    pub fn properties(
        self,
    ) -> impl Iterator<Item = Result<MessageProperty<'t>, BagError>> + Clone + use<'t> {
        let mut at = 0;
        // An empty bag has no property, while splitting an empty text gives one empty piece.
        let pieces = (!self.0.is_empty()).then(|| self.0.split('&'));
        pieces.into_iter().flatten().map(move |piece| {
            let start = at;
            at += piece.len() + 1;
            MessageProperty::parse(piece, start)
        })
    }

    /// Checks every property and counts them.
    pub fn check(self) -> Result<usize, BagError> {
        self.properties()
            .try_fold(0, |count, property| property.map(|_| count + 1))
    }

    /// The first property whose key decodes to `key`. Malformed properties are passed over.
    pub fn get(self, key: &str) -> Option<MessageProperty<'t>> {
        self.properties()
            .flatten()
            .find(|property| property.key.is(key))
    }

    /// The value of a system property; `None` if it is not there or has no value.
    pub fn system(self, property: SystemProperty) -> Option<Escaped<'t>> {
        self.get(property.wire_name())?.value
    }
}

/// One property of a bag. Its texts are checked: decoding them cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageProperty<'t> {
    /// The key, never empty.
    pub key: Escaped<'t>,
    /// The value; `None` if there was no `=`.
    pub value: Option<Escaped<'t>>,
}

impl<'t> MessageProperty<'t> {
    /// Parses what stands between two `&`, of which the first byte is the bag's byte `start`.
    fn parse(piece: &'t str, start: usize) -> Result<Self, BagError> {
        let (key, value) = match piece.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (piece, None),
        };
        if key.is_empty() {
            return Err(BagError::EmptyKey { at: start });
        }
        let escaped =
            |text, at| Escaped::parse(text).map_err(|reason| BagError::BadEscape { at, reason });
        Ok(Self {
            key: escaped(key, start)?,
            value: value
                .map(|value| escaped(value, start + key.len() + 1))
                .transpose()?,
        })
    }

    /// Returns the system property that this is; `None` for one of the application, or unknown to this version.
    pub fn system(&self) -> Option<SystemProperty> {
        SystemProperty::ALL
            .into_iter()
            .find(|property| self.key.is(property.wire_name()))
    }
}

/// Reason why a property of a bag could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BagError {
    /// There is nothing where a key must be: two `&` in a row, one at an end of the bag, or a `=` first.
    EmptyKey {
        /// Byte offset in the bag at which the property starts.
        at: usize,
    },
    /// A key or a value is not percent-encoded correctly.
    BadEscape {
        /// Byte offset in the bag at which the key or the value starts.
        at: usize,
        /// Fault, with its position within the key or the value.
        reason: DecodeError,
    },
}

impl fmt::Display for BagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey { at } => write!(
                f,
                "the property at byte {at} of the bag has no key: a right one looks like key=value, with a single & between two of them"
            ),
            Self::BadEscape { at, reason } => {
                write!(f, "in the property text at byte {at} of the bag, {reason}")
            }
        }
    }
}

impl core::error::Error for BagError {}

/// Appends a bag to a topic. System properties come first, as all SDKs send them.
///
/// A property that does not fit leaves the topic as it was before, with the properties that did.
#[derive(Debug)]
pub struct BagWriter<'t, 'b> {
    topic: &'t mut Text<'b>,
    first: bool,
    application: bool,
}

impl<'t, 'b> BagWriter<'t, 'b> {
    /// Writes to the end of `topic`, which ends with the `/` before the bag.
    pub const fn new(topic: &'t mut Text<'b>) -> Self {
        Self {
            topic,
            first: true,
            application: false,
        }
    }

    /// Appends a system property, such as `%24.ct=application%2Fjson`.
    pub fn system(
        &mut self,
        property: SystemProperty,
        value: &str,
    ) -> Result<&mut Self, WriteError> {
        if self.application {
            return Err(WriteError::SystemAfterApplication(property));
        }
        self.append(property.wire_name(), Some(value))
    }

    /// Appends a property of the application; without a value, its key alone.
    pub fn application(&mut self, key: &str, value: Option<&str>) -> Result<&mut Self, WriteError> {
        check_key(key)?;
        self.application = true;
        self.append(key, value)
    }

    fn append(&mut self, key: &str, value: Option<&str>) -> Result<&mut Self, WriteError> {
        let separator = if self.first { "" } else { "&" };
        append(self.topic, separator, key, value).map_err(WriteError::Overflow)?;
        self.first = false;
        Ok(self)
    }
}

/// Checks the key of an application property.
///
/// # Errors
///
/// [`WriteError::EmptyKey`] and [`WriteError::ReservedKey`].
pub(crate) fn check_key(key: &str) -> Result<(), WriteError> {
    if key.is_empty() {
        return Err(WriteError::EmptyKey);
    }
    if key.starts_with("$.") {
        return Err(WriteError::ReservedKey);
    }
    Ok(())
}

/// Appends one property to a topic, after a separator.
///
/// # Errors
///
/// The topic's buffer is too small; the topic is as it was.
pub(crate) fn append(
    topic: &mut Text<'_>,
    separator: &str,
    key: &str,
    value: Option<&str>,
) -> Result<(), Overflow> {
    let before = topic.len();
    if write(topic, separator, key, value).is_err() {
        topic.truncate(before);
        return Err(Overflow {
            capacity: topic.capacity(),
        });
    }
    Ok(())
}

fn write(topic: &mut Text<'_>, separator: &str, key: &str, value: Option<&str>) -> fmt::Result {
    topic.write_str(separator)?;
    Encoder(&mut *topic).write_str(key)?;
    if let Some(value) = value {
        topic.write_str("=")?;
        Encoder(&mut *topic).write_str(value)?;
    }
    Ok(())
}

/// Reason why a property was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The topic's buffer is too small.
    Overflow(Overflow),
    /// The key is empty.
    EmptyKey,
    /// The key starts with `$.`, which only system properties do.
    ReservedKey,
    /// A system property came after one of the application.
    SystemAfterApplication(SystemProperty),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow(overflow) => write!(f, "the message's properties are too long: {overflow}"),
            Self::EmptyKey => f.write_str("a property's key is empty: give it a name, such as alert"),
            Self::ReservedKey => f.write_str(
                "a property's key starts with $., which is kept for system properties: name it otherwise, such as alert",
            ),
            Self::SystemAfterApplication(property) => write!(
                f,
                "the system property {} comes after one of the application: write it before",
                property.wire_name()
            ),
        }
    }
}

impl core::error::Error for WriteError {}

#[cfg(test)]
#[path = "properties_tests.rs"]
mod tests;
