//! The ids of a device and of a module on it.

use alloc::boxed::Box;
use core::fmt;

/// The id that a device is registered under. Case matters.
///
/// 1 to 128 ASCII letters, digits and ``- . % _ * ? ! ( ) , : = @ $ '`` (Azure IoT Hub, "Understand the
/// identity registry"). IoT Hub allows `#` and `+` too, but such a device cannot use MQTT: ids stand
/// unencoded in topics, where these two are wildcards (MQTT 3.1.1, section 4.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceId(Box<str>);

/// The id of a module on a device, by the rules of [`DeviceId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleId(Box<str>);

impl DeviceId {
    /// The longest device id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `text` and copies it.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check(text).map(|()| Self(text.into()))
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ModuleId {
    /// The longest module id, in bytes.
    pub const MAX_LEN: usize = DeviceId::MAX_LEN;

    /// Checks `text` and copies it.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check(text).map(|()| Self(text.into()))
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > DeviceId::MAX_LEN {
        return Err(IdError::TooLong { bytes: text.len() });
    }
    let legal = |character: char| {
        character.is_ascii_alphanumeric()
            || b"-.%_*?!(),:=@$'"
                .iter()
                .any(|legal| char::from(*legal) == character)
    };
    match text
        .char_indices()
        .find(|&(_, character)| !legal(character))
    {
        None => Ok(()),
        Some((at, '#' | '+')) => Err(IdError::Wildcard { at }),
        Some((at, _)) => Err(IdError::IllegalCharacter { at }),
    }
}

/// Reason why a device id or a module id was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdError {
    /// There is none.
    Empty,
    /// It is longer than [`DeviceId::MAX_LEN`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It contains `#` or `+`.
    Wildcard {
        /// Byte offset of the first of them, from 0.
        at: usize,
    },
    /// It contains something that IoT Hub allows in no id.
    IllegalCharacter {
        /// Byte offset of the first illegal character, from 0.
        at: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty")?,
            Self::TooLong { bytes } => {
                write!(
                    f,
                    "has {bytes} bytes, more than the {} of an id",
                    DeviceId::MAX_LEN
                )?;
            }
            Self::Wildcard { at } => {
                return write!(
                    f,
                    "has a # or + at byte {at}, which IoT Hub allows but MQTT does not, since they are wildcards in topics and ids stand there unencoded; register it under an id without them, such as sensor-01"
                );
            }
            Self::IllegalCharacter { at } => {
                write!(
                    f,
                    "has a character at byte {at} that IoT Hub allows in no id"
                )?;
            }
        }
        f.write_str("; a right one looks like sensor-01: 1 to 128 ASCII letters, digits and - . % _ * ? ! ( ) , : = @ $ '")
    }
}

impl core::error::Error for IdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_character_that_iot_hub_allows_is_accepted_except_the_wildcards() {
        let all = "AZaz09-.%_*?!(),:=@$'";
        assert_eq!(DeviceId::parse(all).unwrap().as_str(), all);
        assert_eq!(ModuleId::parse(all).unwrap().as_str(), all);
        let allowed = (0..=u8::MAX)
            .map(char::from)
            .filter(|character| DeviceId::parse(&character.to_string()).is_ok());
        assert_eq!(allowed.count(), 26 + 26 + 10 + 15);
        assert_eq!(
            DeviceId::parse(&"d".repeat(128)).unwrap().as_str().len(),
            DeviceId::MAX_LEN
        );
    }

    #[test]
    fn what_is_no_id_is_rejected_with_its_reason() {
        for (text, error, reason) in [
            ("", IdError::Empty, "is empty"),
            (
                &*"d".repeat(129),
                IdError::TooLong { bytes: 129 },
                "has 129 bytes, more than the 128",
            ),
            (
                "my device",
                IdError::IllegalCharacter { at: 2 },
                "at byte 2",
            ),
            ("gerät", IdError::IllegalCharacter { at: 3 }, "at byte 3"),
            ("a/b", IdError::IllegalCharacter { at: 1 }, "at byte 1"),
            ("a;", IdError::IllegalCharacter { at: 1 }, "at byte 1"),
            ("a\0", IdError::IllegalCharacter { at: 1 }, "at byte 1"),
            ("dev#1", IdError::Wildcard { at: 3 }, "# or + at byte 3"),
            ("+", IdError::Wildcard { at: 0 }, "wildcards in topics"),
        ] {
            assert_eq!(DeviceId::parse(text), Err(error), "{text}");
            assert_eq!(ModuleId::parse(text), Err(error), "{text}");
            let message = error.to_string();
            assert!(message.contains(reason), "{message}");
            assert!(
                message.contains("such as sensor-01") || message.contains("looks like sensor-01")
            );
        }
    }
}
