//! Base64 with the standard alphabet and padding (RFC 4648, section 4).
//!
//! Decoding is strict: full groups of four characters, padding where it belongs, and no bits that no byte has. So each
//! text has one encoding. Nothing allocates. The usual crate takes two kilobytes of flash more, since it knows many
//! alphabets and works in blocks.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reason why a text was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// It is no base64.
    Malformed,
    /// Its bytes are more than the buffer takes.
    TooLong,
}

/// Encodes `bytes` to the start of `text`. Gives the text, or `None` if it does not fit: it has 4 characters for each
/// begun 3 bytes.
pub(crate) fn encode<'t>(bytes: &[u8], text: &'t mut [u8]) -> Option<&'t str> {
    let length = bytes.len().div_ceil(3) * 4;
    let text = text.get_mut(..length)?;
    for (three, four) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let mut bits = 0;
        for at in 0..3 {
            bits = bits << 8 | u32::from(three.get(at).copied().unwrap_or_default());
        }
        for (at, character) in four.iter_mut().enumerate() {
            *character = match at <= three.len() {
                true => character_of(bits >> 18),
                false => b'=',
            };
            bits <<= 6;
        }
    }
    core::str::from_utf8(text).ok()
}

/// Decodes `text` to the start of `bytes`. Gives the number of bytes.
pub(crate) fn decode(text: &[u8], bytes: &mut [u8]) -> Result<usize, DecodeError> {
    let mut length = 0;
    let mut groups = text.chunks(4).peekable();
    while let Some(group) = groups.next() {
        let is_last = groups.peek().is_none();
        let padding = group.iter().rev().take_while(|it| **it == b'=').count();
        if group.len() != 4 || padding > if is_last { 2 } else { 0 } {
            return Err(DecodeError::Malformed);
        }
        let mut bits = 0;
        for character in group.iter().take(4 - padding) {
            let value = value_of(*character).ok_or(DecodeError::Malformed)?;
            bits = bits << 6 | value;
        }
        bits <<= 6 * padding;
        let [_, three @ ..] = bits.to_be_bytes();
        let (whole, rest) = three.split_at(3 - padding);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::Malformed);
        }
        let room = bytes
            .get_mut(length..length + whole.len())
            .ok_or(DecodeError::TooLong)?;
        room.copy_from_slice(whole);
        length += whole.len();
    }
    Ok(length)
}

/// The character of the lowest six bits.
fn character_of(bits: u32) -> u8 {
    ALPHABET
        .get((bits & 63) as usize)
        .copied()
        .unwrap_or_default()
}

/// The six bits of a character.
const fn value_of(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_buffer_that_is_too_small_is_an_error_at_every_size() {
        for size in 0..8 {
            assert_eq!(encode(b"12345", &mut vec![0; size]), None, "{size}");
        }
        assert_eq!(encode(b"12345", &mut [0; 8]), Some("MTIzNDU="));
        for size in 0..5 {
            let decoded = decode(b"MTIzNDU=", &mut vec![0; size]);
            assert_eq!(decoded, Err(DecodeError::TooLong), "{size}");
        }
    }

    proptest! {
        #[test]
        fn bytes_are_encoded_as_another_implementation_does_and_come_back(bytes: Vec<u8>) {
            let mut text = vec![0; bytes.len().div_ceil(3) * 4];
            let encoded = encode(&bytes, &mut text).unwrap();
            prop_assert_eq!(encoded, STANDARD.encode(&bytes));
            let mut decoded = vec![0; bytes.len()];
            prop_assert_eq!(decode(encoded.as_bytes(), &mut decoded), Ok(bytes.len()));
            prop_assert_eq!(decoded, bytes);
        }

        #[test]
        fn a_text_is_refused_if_another_implementation_refuses_it(text in "[AQg+/=9 é]{0,9}") {
            let mut decoded = [0; 16];
            let ours = decode(text.as_bytes(), &mut decoded);
            match STANDARD.decode(&text) {
                Ok(theirs) => {
                    prop_assert_eq!(ours, Ok(theirs.len()));
                    prop_assert_eq!(&decoded[..theirs.len()], theirs);
                }
                Err(_) => prop_assert_eq!(ours, Err(DecodeError::Malformed)),
            }
        }
    }
}
