//! Checks of what goes into packets: the codec would cut long strings and takes any character.

use super::error::{Fault, Field, RequestError};

/// Strings and binary data have a length field of 16 bits (MQTT 3.1.1, section 1.5.3).
const MAX_LENGTH: usize = 65_535;

/// A string that must not be empty.
pub(super) fn string(field: Field, value: &str) -> Result<(), RequestError> {
    binary(field, value.as_bytes())?;
    let fault = if value.is_empty() {
        Fault::Empty
    } else if value.as_bytes().contains(&b'\0') {
        Fault::Nul
    } else {
        return Ok(());
    };
    Err(RequestError::Field(field, fault))
}

/// Bytes behind a length field.
pub(super) fn binary(field: Field, value: &[u8]) -> Result<(), RequestError> {
    if value.len() > MAX_LENGTH {
        return Err(RequestError::Field(field, Fault::TooLong(value.len())));
    }
    Ok(())
}

/// Bytes that the codec takes as a string.
pub(super) fn utf8(field: Field, value: &[u8]) -> Result<&str, RequestError> {
    core::str::from_utf8(value).map_err(|_| RequestError::Field(field, Fault::NotUtf8))
}

/// The topic of a PUBLISH (MQTT 3.1.1, sections 3.3.2.1 and 4.7.3).
pub(super) fn topic(field: Field, topic: &str) -> Result<(), RequestError> {
    string(field, topic)?;
    if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(RequestError::Field(field, Fault::Wildcard));
    }
    Ok(())
}

/// A topic filter: wildcards fill whole levels, `#` only the last (MQTT 3.1.1, section 4.7.1).
pub(super) fn topic_filter(filter: &str) -> Result<(), RequestError> {
    string(Field::TopicFilter, filter)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = level.len() == 1;
        let misplaced = (level.as_bytes().contains(&b'+') && !alone)
            || (level.as_bytes().contains(&b'#') && !(alone && levels.peek().is_none()));
        if misplaced {
            return Err(RequestError::Field(
                Field::TopicFilter,
                Fault::MisplacedWildcard,
            ));
        }
    }
    Ok(())
}
