//! A telemetry message while its application writes it.

use core::fmt::{self, Display};

use crate::json::{Array, Object, TooLong, Value};
use crate::outlet::Importance;
use crate::port::Readings;
use crate::properties::{self, SystemProperty, WriteError};
use crate::text::{Overflow, Text, render};

/// The longest value of a property that is formatted, in bytes.
const VALUE_SIZE: usize = 128;

/// Properties of a JSON body, so that message routing can look into it. Appended as they are: already encoded.
const JSON: &str = "&%24.ct=application%2Fjson&%24.ce=utf-8";

/// A message being written: a body, and properties. The device adds its id and the time of its creation.
///
/// The first error sticks: then the message is dropped, counted and told.
#[derive(Debug)]
pub struct Message<'m> {
    readings: &'m Readings,
    space: &'m mut [u8],
    /// Length of the body, once there is one.
    body: Option<usize>,
    topic: Text<'m>,
    /// Length of the topic with the id that the device gave.
    start: usize,
    /// Length of the topic before that id.
    before_id: usize,
    pub(crate) at_most_once: bool,
    pub(crate) importance: Importance,
    result: Result<(), MessageError>,
}

impl<'m> Message<'m> {
    /// A message in this space. `topic` ends with the id that the device gave it, which begins at `before_id`.
    pub(crate) fn new(
        readings: &'m Readings,
        space: &'m mut [u8],
        topic: Text<'m>,
        before_id: usize,
    ) -> Self {
        Self {
            readings,
            space,
            body: None,
            start: topic.len(),
            topic,
            before_id,
            at_most_once: false,
            importance: Importance::default(),
            result: Ok(()),
        }
    }

    /// Readings of the board's sensors, taken for this message.
    pub const fn readings(&self) -> &'m Readings {
        self.readings
    }

    /// Writes the body: a JSON object with the members that `fill` writes. Without a member there is no message.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_, '_>)) {
        self.json(|text| {
            let mut object = Object::new(text);
            fill(&mut object);
            let is_empty = object.is_empty();
            object.finish().map(|()| !is_empty)
        });
    }

    /// Writes the body: a JSON array with the elements that `fill` writes, such as several samples. Without an element
    /// there is no message.
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_, '_>)) {
        self.json(|text| {
            let mut array = Array::new(text);
            fill(&mut array);
            let is_empty = array.is_empty();
            array.finish().map(|()| !is_empty)
        });
    }

    fn json(&mut self, write: impl FnOnce(&mut Text<'_>) -> Result<bool, TooLong>) {
        self.write_body(|space| {
            let mut text = Text::new(space);
            let present = write(&mut text).map_err(|TooLong| MessageError::BodyTooLong)?;
            Ok(present.then_some(text.len()))
        });
        if self.body.is_some() {
            self.append_encoded(JSON);
        }
    }

    /// Writes the body: this JSON text as it is, such as one that was written elsewhere.
    pub fn text(&mut self, json: Value<'_>) {
        self.json(|text| {
            text.append(json.text()).map_err(|_| TooLong)?;
            Ok(true)
        });
    }

    /// Writes the body: these bytes, with the type of the content (`$.ct`), such as `application/octet-stream`. An empty
    /// type leaves the property out.
    pub fn bytes(&mut self, content_type: &str, body: &[u8]) {
        self.write_body(|space| {
            let space = space
                .get_mut(..body.len())
                .ok_or(MessageError::BodyTooLong)?;
            space.copy_from_slice(body);
            Ok(Some(body.len()))
        });
        if !content_type.is_empty() {
            self.system(SystemProperty::ContentType, content_type);
        }
    }

    /// Writes the body: CBOR (RFC 8949), with its content type. `write` encodes it; what it returns as an error drops the
    /// message.
    #[cfg(feature = "cbor")]
    pub fn cbor(
        &mut self,
        write: impl FnOnce(
            &mut crate::cbor::minicbor::Encoder<crate::cbor::Writer<'_>>,
        ) -> Result<(), crate::cbor::EncodeError>,
    ) {
        self.write_body(|space| {
            let body = crate::cbor::encode(space, write);
            let body = body.map_err(|_| MessageError::BodyTooLong)?;
            Ok(Some(body.len()))
        });
        self.system(SystemProperty::ContentType, "application/cbor");
    }

    /// Writes the body into the space that there is. `write` gives its length; `None` if there is no message after all.
    pub(crate) fn write_body(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Result<Option<usize>, MessageError>,
    ) {
        if self.result.is_ok() {
            match write(self.space) {
                _ if self.body.is_some() => self.result = Err(MessageError::SecondBody),
                Ok(length) => self.body = length,
                Err(error) => self.result = Err(error),
            }
        }
    }

    /// Adds an application property, which message routing and the receiver see.
    pub fn property(&mut self, key: &str, value: impl Display) {
        self.formatted(&value, |message, value| {
            properties::check_key(key)?;
            message.append(key, value)
        });
    }

    /// Names the component of the device's model that the message is of (`$.sub`). A stream does this by itself with
    /// [`Stream::of_component`](super::Stream::of_component).
    pub fn component(&mut self, component: &str) {
        self.system(SystemProperty::Component, component);
    }

    /// Names the message that this one answers (`$.cid`).
    pub fn correlation_id(&mut self, id: impl Display) {
        self.formatted(&id, |message, id| {
            message.append(SystemProperty::CorrelationId.wire_name(), id)
        });
    }

    /// Gives the message an id of its own (`$.mid`), at most 128 bytes, in place of the one that the device gives. Call
    /// it before a body and before other properties.
    pub fn message_id(&mut self, id: impl Display) {
        if self.topic.len() != self.start {
            return self.fail(MessageError::LateId);
        }
        self.topic.truncate(self.before_id);
        self.formatted(&id, |message, id| {
            let key = SystemProperty::MessageId.wire_name();
            properties::append(&mut message.topic, "", key, Some(id)).map_err(WriteError::Overflow)
        });
    }

    /// Sends it at QoS 0: once, or not at all if there is no connection.
    pub const fn at_most_once(&mut self) {
        self.at_most_once = true;
    }

    /// Keeps it longer than others if a queue is full: an alarm outlives routine values.
    pub const fn urgent(&mut self) {
        self.importance.urgent = true;
    }

    /// Drops it if it was not sent after so many seconds: it is of no use then. Not while the clock is not set.
    pub const fn time_to_live(&mut self, seconds: u32) {
        self.importance.time_to_live = seconds;
    }

    pub(crate) fn system(&mut self, property: SystemProperty, value: &str) {
        let result = self.append(property.wire_name(), value);
        self.keep(result);
    }

    /// Formats a value into a space of its own, since it is encoded afterwards.
    fn formatted(
        &mut self,
        value: &dyn Display,
        write: impl FnOnce(&mut Self, &str) -> Result<(), WriteError>,
    ) {
        let mut space = [0; VALUE_SIZE];
        let result = match render(&mut space, value) {
            Ok(value) => write(self, value),
            Err(overflow) => Err(WriteError::Overflow(overflow)),
        };
        self.keep(result);
    }

    fn append(&mut self, key: &str, value: &str) -> Result<(), WriteError> {
        properties::append(&mut self.topic, "&", key, Some(value)).map_err(WriteError::Overflow)
    }

    /// Appends properties that are encoded already.
    pub(crate) fn append_encoded(&mut self, text: impl Display) {
        let result = self.topic.append(text);
        self.keep(result.map_err(WriteError::Overflow));
    }

    fn keep(&mut self, result: Result<(), WriteError>) {
        if let Err(error) = result {
            self.fail(MessageError::Property(error));
        }
    }

    fn fail(&mut self, error: MessageError) {
        if self.result.is_ok() {
            self.result = Err(error);
        }
    }

    /// The body; `None` if none was written.
    pub(crate) fn take_body(&mut self) -> Option<&'m [u8]> {
        let space: &'m mut [u8] = core::mem::take(&mut self.space);
        let body: &'m [u8] = space;
        body.get(..self.body?)
    }

    /// # Errors
    ///
    /// The first that occurred.
    pub(crate) const fn check(&self) -> Result<(), MessageError> {
        self.result
    }

    /// The topic, and whether it goes out at QoS 0.
    ///
    /// # Errors
    ///
    /// The first that occurred.
    pub(crate) fn finish(self) -> Result<(&'m str, bool), MessageError> {
        self.result?;
        Ok((self.topic.into_str(), self.at_most_once))
    }
}

/// Reason why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// The body does not fit its part of the scratch buffer, or a value in it could not be written.
    BodyTooLong,
    /// A property could not be written.
    Property(WriteError),
    /// A second body was written.
    SecondBody,
    /// The id came after a body or another property.
    LateId,
}

impl From<Overflow> for MessageError {
    fn from(overflow: Overflow) -> Self {
        Self::Property(WriteError::Overflow(overflow))
    }
}

impl Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyTooLong => f.write_str(
                "a message does not fit the scratch buffer; raise its size (CONFIG_AZURE_SCRATCH_SIZE)",
            ),
            Self::Property(error) => write!(f, "{error}"),
            Self::SecondBody => f.write_str("a message has one body, and a second one was written"),
            Self::LateId => {
                f.write_str("the message id comes before a body and before other properties")
            }
        }
    }
}

impl core::error::Error for MessageError {}
